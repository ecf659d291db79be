"""Tensors out of files of weights, ours or others', without running anybody's code.

A plain file of tensors is read with `weights_only=True`. Some projects publish their whole model as
a pickle instead, which names classes and would run them. Such a file is read with an inert record
in the place of every class that it names: nothing of it is imported or called, and the tensors are
then picked out of the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ferbench.config.params import Recipe, Variant
from ferbench.errors import DAMAGED, InputError
from ferbench.files import whole_file
from ferbench.models.build import build_network

__all__ = ["Trained", "hub_file", "load_trained", "read_state", "save_trained"]

# Under these keys files keep their weights, the better first: ours, Lightning's, ultralytics'.
_KEYS = ("state", "state_dict", "ema", "model")


class _Record:
    """Stands for any class or function that a pickle names; keeps what it is given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Args:
        path: of a `.safetensors` file, a saved state, a file of ours, a checkpoint of Lightning, or
            a model of ultralytics.

    Raises:
        InputError: the file is absent or damaged, or holds no tensors with names.
    """
    try:
        state = _state_in(_content(path))
    except FileNotFoundError as error:
        raise InputError("no such file of weights", where=path, remedy="check the path") from error
    except (SafetensorError, *DAMAGED) as error:
        raise _refused(path, f"cannot be read ({type(error).__name__}: {error})") from error
    if not state:
        raise _refused(path, "holds no tensors with names")
    return state


def hub_file(url: str) -> Path:
    """A published file in torch's hub folder; downloaded if it is not there.

    Raises:
        InputError: it is not there and cannot be downloaded, or what came is not it.
    """
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Projects put the beginning of the file's SHA-256 into its name.
    found = re.search(r"-([0-9a-f]{8,})\.", name)
    try:
        torch.hub.download_url_to_file(url, str(path), found and found[1], progress=False)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"weights cannot be downloaded ({error})",
            where=url,
            remedy=f"download {url} elsewhere and put it at {path}",
        ) from error
    return path


def _refused(path: Path, what: str) -> InputError:
    return InputError(
        what,
        where=path,
        remedy="give a state dict saved by `torch.save`, or a .safetensors file",
    )


def _content(path: Path) -> Any:
    """What a file holds; classes that are no tensors or plain values become records."""
    if path.suffix == ".safetensors":
        return load_file(path)
    with _no_class_allowed():
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError:
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            with torch.serialization.safe_globals([(_Record, name) for name in foreign]):
                return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _no_class_allowed() -> Iterator[None]:
    """Forget for a while which classes `weights_only` may build.

    ultralytics adds its own to that list for the whole process, and some of them run text that they
    are given.
    """
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)


def _state_in(content: Any) -> dict[str, Tensor]:
    """Named tensors of a mapping or of a recorded module, looked for under the usual keys."""
    if isinstance(content, _Record):
        return _tensors_of(vars(content), "")
    if not isinstance(content, Mapping):
        return {}
    for key in _KEYS:
        if content.get(key) is not None and not isinstance(content[key], Tensor):
            return _state_in(content[key])
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _tensors_of(module: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """Parameters and buffers of a recorded `torch.nn.Module`, named as its state would be."""
    found: dict[str, Tensor] = {}
    for kind in ("_parameters", "_buffers"):
        for name, value in (module.get(kind) or {}).items():
            if isinstance(value, Tensor):
                found[prefix + name] = value.detach()
    for name, child in (module.get("_modules") or {}).items():
        if isinstance(child, _Record):
            found |= _tensors_of(vars(child), f"{prefix}{name}.")
    return found


# MERGED from ferbench.models.weights:
# A trained network as a file that holds tensors and plain values only.
#
# It is read with `weights_only=True`: a file from anywhere can be opened without running its author's
# code.


@dataclass(frozen=True)
class Trained:
    """A network with all that is needed to use it.

    Args:
        network: in evaluation mode.
        variant: its row.
        recipe: how it was trained, without the paper's settings; gives the image's size and
            channels.
        classes: names of its outputs, in order.
    """

    network: nn.Module
    variant: Variant
    recipe: Recipe
    classes: tuple[str, ...]


def save_trained(
    path: Path,
    state: dict[str, Tensor],
    variant: Variant,
    recipe: Recipe,
    classes: tuple[str, ...],
) -> None:
    """Write a network's state with its row, recipe and classes."""
    content = {
        "state": {name: value.cpu().contiguous() for name, value in state.items()},
        "variant": asdict(variant),
        "recipe": recipe.settings(),
        "classes": list(classes),
    }
    # torch writes the name of the path that it is given into the file; it is given none, so that
    # equal networks are equal files.
    with whole_file(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def load_trained(path: Path) -> Trained:
    """Read a network and rebuild it, on the CPU.

    Raises:
        InputError: the file is absent, damaged, holds more than tensors and plain values, or does
            not fit the code.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        variant = Variant(**content["variant"])
        recipe = Recipe(**content["recipe"], paper={})
        classes = tuple(content["classes"])
        network = build_network(variant, recipe, len(classes), seed=0)
        network.load_state_dict(content["state"])
    except FileNotFoundError as error:
        raise InputError("no such model", where=path, remedy="`dvc repro` trains it") from error
    except DAMAGED as error:
        raise InputError(
            f"no model of ours, or a damaged one ({type(error).__name__}: {error})",
            where=path,
            remedy="train it again with `dvc repro`; if it is from elsewhere, do not use it",
        ) from error
    return Trained(network.eval(), variant, recipe, classes)
