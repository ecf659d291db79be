"""`ferbench judge`: from files of predictions to two files, in a checkout and from data."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from ferbench.cli.main import main

_CLASSES = ["happiness", "sadness", "fear"]
_SIZES = {"train": 6, "val": 2, "test": 4}  # images of each class


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise in split folders."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("data")
    for split, size in _SIZES.items():
        for emotion in _CLASSES:
            for number in range(size):
                path = root / split / emotion / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), rng.integers(0, 256, (24, 24), dtype=np.uint8))
    return root


@pytest.fixture
def predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Predictions that are right but for one image, in the working folder."""
    monkeypatch.chdir(tmp_path)
    paths = [f"test/{name}/{n}.png" for name in _CLASSES for n in range(_SIZES["test"])]
    table = pd.DataFrame(0.1, range(len(paths)), _CLASSES)
    for row, path in enumerate(paths):
        table.loc[row, path.split("/")[1]] = 0.8
    table.loc[0, _CLASSES] = [0.1, 0.8, 0.1]
    table.insert(0, "path", paths)
    table.to_csv("net_seed1.csv", index=False)
    return Path("net_seed1.csv")


def judge(*words: object) -> int:
    return main(["judge", *map(str, words)])


def test_predictions_are_judged_in_an_empty_folder(data, predictions, capsys):
    assert judge(predictions, "--dataset", "folder", "--data", data) == 0
    said = capsys.readouterr().out
    assert "net: 91.7 %" in said
    report = json.loads(Path("judged.json").read_text())
    assert report["models"]["net"]["seeds"] == [1]
    assert report["test"]["faces"] == 12
    assert "Predictions on folder, judged" in Path("judged.html").read_text()


def test_what_predict_writes_is_judged(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(data / "test"), "--crop", "--csv"]) == 0
    Path("fer2013_seed0.csv").write_text(capsys.readouterr().out)
    table = pd.read_csv("fer2013_seed0.csv")
    right = [Path(path).parent.name for path in table["path"]] == table[_CLASSES].idxmax(axis=1)
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "a.png", "--csv", "--json"])
    capsys.readouterr()
    options = ("--dataset", "folder", "--data", data, "--json")
    assert judge("fer2013_seed0.csv", *options) == 2
    assert "neutral" in capsys.readouterr().err  # a class that the data lacks
    known = table[_CLASSES].div(table[_CLASSES].sum(axis=1), axis=0)
    known.insert(0, "path", table["path"])
    known.to_csv("fer2013_seed0.csv", index=False)
    assert judge("fer2013_seed0.csv", *options) == 0
    judged = json.loads(capsys.readouterr().out)["models"]["fer2013"]["metrics"]
    assert judged["accuracy"]["value"] == pytest.approx(right.mean())


def test_files_of_the_user_are_replaced_only_by_force(data, predictions, capsys):
    Path("judged.html").write_text("mine")
    assert judge(predictions, "--dataset", "folder", "--data", data) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path("judged.html").read_text() == "mine"
    options = ("--dataset", "folder", "--data", data, "--write-split", predictions)
    assert judge(*options) == 2
    assert "net_seed1.csv: exists already" in capsys.readouterr().err


def test_split_is_listed_and_json_printed_without_other_files(data, predictions, capsys):
    assert judge("--dataset", "folder", "--data", data, "--write-split", "split.csv") == 0
    assert len(pd.read_csv("split.csv")) == 36
    capsys.readouterr()
    assert judge(predictions, "--dataset", "folder", "--data", data, "--json") == 0
    assert json.loads(capsys.readouterr().out)["protocol"] == "official"
    assert {path.name for path in Path().iterdir()} == {"net_seed1.csv", "split.csv"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no file of predictions"),
        (("net_seed1.csv",), "say by --data PATH"),
        (("net_seed1.csv", "--protocol", "official"), "are of a split that is drawn here"),
        (("net_seed1.csv", "--data", "absent"), "no such file or folder"),
    ],
)
def test_what_cannot_be_judged_ends_with_2_and_a_remedy(predictions, words, message, capsys):
    assert judge(*words, "--dataset", "folder") == 2
    said = capsys.readouterr().err
    assert message in said
    assert "remedy" in said
