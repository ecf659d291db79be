"""Model folders: read back equal, and refused if anything in them was changed."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.serving.models import model_folder

from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.serving.model_folder import ModelRecord, open_folder, read_network, write_folder
from ferbench.serving.predictor import Predictor


@pytest.fixture
def copied(classifier: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classifier, tmp_path / "copy"))


@pytest.mark.parametrize("variant", ["ivsa", "yolov5s_osam"])
def test_folder_gives_back_the_network(tmp_path: Path, params: Params, variant: str) -> None:
    trained, written = model_folder(tmp_path / "model", params, variant)
    folder, record = open_folder(tmp_path / "model")
    read = read_network(folder, record)
    assert record == written
    assert (read.variant, read.classes) == (trained.variant, trained.classes)
    assert read.recipe.settings() == trained.recipe.settings()
    expected = trained.network.state_dict()
    found = read.network.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_equal_models_are_equal_files(tmp_path: Path, params: Params) -> None:
    digests = [model_folder(tmp_path / name, params, "ivsa")[1].digest for name in ("a", "b")]
    assert digests[0] == digests[1]


def test_folder_is_never_overwritten(classifier: Path, params: Params) -> None:
    before = {path: path.read_bytes() for path in classifier.iterdir()}
    with pytest.raises(InputError, match="exists already; nothing is overwritten"):
        model_folder(classifier, params, "yolov5s")
    assert before == {path: path.read_bytes() for path in classifier.iterdir()}


def test_record_names_every_file_with_its_digest(classifier: Path) -> None:
    _, record = open_folder(classifier / "model.json")
    others = {path.name for path in classifier.iterdir()} - {"model.json"}
    assert record.files.keys() == others
    assert record.source["seed"] == 0
    assert record.metrics == {"accuracy": 0.5}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(**changes: Any) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return act


def edit_whole(**changes: Any) -> Callable[[Path], None]:
    """As one does who also corrects the digest."""

    def act(folder: Path) -> None:
        path = folder / "model.json"
        record = ModelRecord.model_validate(json.loads(path.read_text()) | changes)
        record.model_copy(update={"digest": record.own_digest()}).write(path)

    return act


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: flip(folder / "model.safetensors"), "safetensors: was changed"),
        (lambda folder: flip(folder / "card.md"), r"card\.md: was changed"),
        (lambda folder: (folder / "model.safetensors").unlink(), "safetensors: missing"),
        (lambda folder: (folder / "model.json").unlink(), r"there is no model\.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "no JSON"),
        (lambda folder: (folder / "model.json").write_text("[" * 100_000), "no JSON"),
        (lambda folder: (folder / "model.json").write_bytes(b"\xff" * 9), "no JSON"),
        (lambda folder: (folder / "model.json").write_text(" " * 2**21), "far too long"),
        (edit(score_threshold=0.9), r"model\.json: was changed"),
        (edit(score_threshold=9.0), "score_threshold: .*less than or equal to 1"),
        (edit(format=2), "format: "),
        (edit(surprise=1), "surprise: "),
        (edit(classes="happiness"), "classes: "),
        (edit_whole(classes=["happiness", "boredom", "anger"]), "classes are"),
        (edit_whole(classes=["happiness"]), "does not fit the row"),
        (edit_whole(task="detect"), "task is detect"),
        (edit_whole(variant={}), "variant"),
        (edit_whole(files={"../../secret": "0" * 64}), "lists the files"),
    ],
)
def test_changed_folder_is_refused(
    copied: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(copied)
    with pytest.raises(InputError, match=message) as caught:
        Predictor.load(copied)
    assert caught.value.remedy


class Executed:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("name", ["model.pt", "model.ckpt", "model.pkl", "weights.bin"])
def test_checkpoint_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Executed()))
    with pytest.raises(InputError, match="could hold code") as caught:
        Predictor.load(tmp_path / name)
    assert "ferbench export" in caught.value.remedy
    assert not Path("executed").exists()


def test_pickle_in_place_of_the_weights_is_refused_unread(
    copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ferbench.files import sha256_file

    monkeypatch.chdir(tmp_path)
    torch.save(Executed(), copied / "model.safetensors")
    files = {name: sha256_file(copied / name) for name in ("model.safetensors", "card.md")}
    edit_whole(files=files)(copied)
    with pytest.raises(InputError, match="does not fit the row"):
        Predictor.load(copied)
    assert not Path("executed").exists()


def test_interrupted_write_leaves_no_folder(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch, classifier: Path
) -> None:
    _, record = open_folder(classifier)
    trained = read_network(classifier, record)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelRecord, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "model", trained, record, "card", {})
    assert list(tmp_path.iterdir()) == []
