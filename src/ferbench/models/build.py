"""A row of the variants table as a network; the one place where parts meet."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.config.params import Recipe, Variant
from ferbench.errors import InputError, unknown
from ferbench.models.pixels import normalize_input
from ferbench.plugins import load

__all__ = ["build_loss", "build_network", "part_modules", "task_of"]

_PARTS = {
    "backbone": "ferbench.models.backbones",
    "conv": "ferbench.models.convs",
    "attention": "ferbench.models.attention",
    "head": "ferbench.models.heads",
    "loss": "ferbench.models.losses",
}
_WIDTH = 1  # stands for the channels that an attention is called with


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
        attention = partial(_part(variant, "attention"), **_options(variant, "attention", _WIDTH))
        place = (attention, variant.location, _part(variant, "conv"), recipe.channels)
        body = _part(variant, "backbone")(*place, **_options(variant, "backbone", *place))
        if isinstance(body, nn.Module) != (task_of(variant) == "classify"):
            raise InputError(
                f"head {variant.head!r} does not fit backbone {variant.backbone!r}",
                where="params.yaml: variants",
                remedy="a graph of layers takes head `detect`, a feature extractor takes another",
            )
        shape = (body, classes, recipe.input_px, recipe.channels)
        network: nn.Module = _part(variant, "head")(*shape, **_options(variant, "head", *shape))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.bn_momentum
    _freeze_constants(network)
    if recipe.normalize == "imagenet":
        normalize_input(network, recipe.channels)
    return network


def build_loss(variant: Variant, network: nn.Module, counts: Tensor | None = None) -> Any:
    """The loss of a row, for a network that stands on its device.

    Args:
        variant: the row.
        network: that is trained.
        counts: number of training faces of each class (K,), for losses that weigh classes.
    """
    given = (network, counts)
    return _part(variant, "loss")(*given, **_options(variant, "loss", *given))


def _part(variant: Variant, column: str) -> Any:
    return load(_PARTS[column], getattr(variant, column))


def _options(variant: Variant, column: str, *args: Any) -> dict[str, Any]:
    """The options of a part, which must be words that it knows.

    Raises:
        InputError: an option, or the column that it is given for, is unknown.
    """
    for name in variant.options:
        if name not in _PARTS:
            raise unknown("column with options", name, _PARTS, where="params.yaml: variants")
    options = dict(variant.options.get(column, {}))
    part = _part(variant, column)
    parameters = list(inspect.signature(part).parameters)[len(args) :]
    for option in options:
        if option not in parameters:
            where = f"params.yaml: variants: options: {column}: {getattr(variant, column)}"
            raise unknown("option", option, parameters, where=where)
    return options


def _freeze_constants(network: nn.Module) -> None:
    """The distribution head's kernel 0, 1, 2, ... is no weight: it must not learn."""
    for name, parameter in network.named_parameters():
        if ".dfl." in name:
            parameter.requires_grad_(False)
