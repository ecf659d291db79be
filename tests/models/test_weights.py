"""A network's file gives the same network back, and nothing else is ever opened."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny_study import CLASSES

from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.models.build import build_network
from ferbench.models.weights import load_trained, save_trained


def write(params: Params, variant: str, path: Path) -> torch.nn.Module:
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, len(CLASSES), seed=3).eval()
    save_trained(path, network.state_dict(), row, recipe, CLASSES)
    return network


class _Code:
    """Calls a function when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("variant", ["ivsa", "yolov5s_osam"])
def test_a_network_comes_back_as_it_was(params: Params, tmp_path: Path, variant: str) -> None:
    network = write(params, variant, tmp_path / "model.pt")
    trained = load_trained(tmp_path / "model.pt")
    recipe = params.recipe_of(variant)
    image = torch.rand(2, recipe.channels, recipe.input_px, recipe.input_px)
    with torch.no_grad():
        one, other = network(image), trained.network(image)
    pairs = zip(*((x[:1] if isinstance(x, tuple) else (x,)) for x in (one, other)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not trained.network.training
    assert trained.variant == params.variants[variant]
    assert (trained.recipe.input_px, trained.classes) == (recipe.input_px, CLASSES)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 5")  # torch warns of it
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_file_with_code_is_refused_and_the_code_not_run(tmp_path: Path, protocol: int) -> None:
    path, mark = tmp_path / "model.pt", tmp_path / "the code ran"
    torch.save({"state": _Code(mark)}, path)
    with pytest.raises(InputError, match="no model of ours"):
        load_trained(path)
    path.write_bytes(pickle.dumps(_Code(mark), protocol=protocol))
    with pytest.raises(InputError, match="no model of ours"):
        load_trained(path)
    assert not mark.exists()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(params: Params, tmp_path: Path, share: float) -> None:
    path = tmp_path / "model.pt"
    write(params, "vgg_improved", path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"model\.pt: no model of ours, or a damaged one"):
        load_trained(path)


def test_equal_networks_are_equal_files(params: Params, tmp_path: Path) -> None:
    """torch writes the name of the file that it is given into the file."""
    for name in ("one.pt", "other.pt"):
        write(params, "vgg_improved", tmp_path / name)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.pt").mkdir()
    with pytest.raises(InputError, match=r"model\.pt: no model of ours.*IsADirectoryError"):
        load_trained(tmp_path / "model.pt")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pt: no such model"):
        load_trained(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("content", [{}, [1], {"variant": {}, "recipe": {}}, 3])
def test_tensors_of_something_else_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(InputError, match="no model of ours"):
        load_trained(tmp_path / "model.pt")


def test_weights_of_another_number_of_classes_are_refused(params: Params, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    write(params, "vgg_improved", path)
    content = torch.load(path, weights_only=True)
    torch.save(content | {"classes": ["anger"]}, path)
    with pytest.raises(InputError, match="size mismatch"):
        load_trained(path)
