"""A trained network as a file of tensors and plain values.

It is read with `weights_only=True`: a file from anywhere can be opened without running its author's
code.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ferbench.config.params import Recipe, Variant
from ferbench.errors import DAMAGED, InputError
from ferbench.files import whole_file
from ferbench.models.build import build_network

__all__ = ["Trained", "load_trained", "save_trained"]


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
