"""A row of the variants table as a network; the one place where parts meet."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ferbench.errors import InputError
from ferbench.params import Recipe, Variant
from ferbench.plugins import load

__all__ = ["build_loss", "build_network", "part_modules", "task_of"]

_PARTS = {
    "backbone": "ferbench.models.backbones",
    "conv": "ferbench.models.convs",
    "attention": "ferbench.models.attention",
    "head": "ferbench.models.heads",
    "loss": "ferbench.models.losses",
}


def part_modules(variant: Variant) -> list[str]:
    """Dotted names of the modules that a row names, in the order of its columns."""
    return [f"{package}.{getattr(variant, column)}" for column, package in _PARTS.items()]


def task_of(variant: Variant) -> str:
    """`classify` or `detect`, as the row's head says.

    Raises:
        InputError: the head or the loss is unknown, or they are of different tasks.
    """
    head, loss = _part(variant, "head").TASK, _part(variant, "loss").TASK
    if head != loss:
        raise InputError(
            f"head {variant.head!r} is made to {head}, loss {variant.loss!r} to {loss}",
            where="params.yaml: variants",
            remedy=f"take a loss that is made to {head}",
        )
    return str(head)


def build_network(variant: Variant, recipe: Recipe, classes: int, seed: int) -> nn.Module:
    """The network of a row, its weights drawn from `seed`.

    Args:
        variant: the row.
        recipe: gives the image's size and channels, and the norms' momentum.
        classes: K.
        seed: of the initial weights; torch's global generator is left as it was.

    Raises:
        InputError: a word of the row is unknown, or head and backbone do not fit.
    """
    task_of(variant)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = _part(variant, "backbone")(
            _part(variant, "attention"), variant.location, _part(variant, "conv"), recipe.channels
        )
        if isinstance(body, nn.Module) != (task_of(variant) == "classify"):
            raise InputError(
                f"head {variant.head!r} does not fit backbone {variant.backbone!r}",
                where="params.yaml: variants",
                remedy="a graph of layers takes head `detect`, a feature extractor takes another",
            )
        network: nn.Module = _part(variant, "head")(body, classes, recipe.input_px, recipe.channels)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.bn_momentum
    _freeze_constants(network)
    return network


def build_loss(variant: Variant, network: nn.Module) -> Any:
    """The loss of a row, for a network that stands on its device."""
    return _part(variant, "loss")(network)


def _part(variant: Variant, column: str) -> Any:
    return load(_PARTS[column], getattr(variant, column))


def _freeze_constants(network: nn.Module) -> None:
    """The distribution head's kernel 0, 1, 2, ... is no weight: it must not learn."""
    for name, parameter in network.named_parameters():
        if ".dfl." in name:
            parameter.requires_grad_(False)
