"""Detectors' weights after COCO, under the numbers that rows have among gates.

Source: the assets of ultralytics' release, one whole model a file, of which the tensors are read.
Differs: nothing.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.config.params import Variant
from ferbench.errors import InputError, unknown
from ferbench.models.graph import Graph
from ferbench.models.weights import hub_file, read_state

__all__ = ["coco_state", "load_initial", "renumbered"]

# The release that ultralytics 8.4 takes its weights from.
_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


def coco_state(name: str) -> dict[str, Tensor]:
    """The tensors of a released model, under the library's own names `model.<row>.<rest>`.

    Args:
        name: of the file, without `.pt`.

    Raises:
        InputError: the file is not at hand, or damaged.
    """
    return read_state(hub_file(f"{_RELEASE}/{name}.pt"))


def renumbered(
    state: dict[str, Tensor], graph: Graph, shared: int | None = None
) -> dict[str, Tensor]:
    """Tensors of ungated rows, under the numbers of the same rows in a gated graph.

    Args:
        state: under names `model.<row>.<rest>`.
        graph: without its gates it begins with the rows of the state.
        shared: so many first rows are alike, the others are left out; None for all.
    """
    rows = [*graph.backbone, *graph.head]
    number = [i for i, row in enumerate(rows) if row[2] != "Gate"][:shared]
    found = {}
    for name, value in state.items():
        model, row, rest = name.split(".", 2)
        if int(row) < len(number):
            found[f"{model}.{number[int(row)]}.{rest}"] = value
    return found


# MERGED from ferbench.models.pretrained:
# Weights to begin with: published ones, or those of a file.


_LOG = logging.getLogger(__name__)
_WHERE = "params.yaml: variants: weights"


def load_initial(network: nn.Module, variant: Variant) -> dict[str, Any]:
    """Put a row's initial weights into its network, as far as they fit in name and shape.

    What they do not give keeps its random start: the classifier, an attention, a changed stem. The
    first convolution of a network for grey images takes the sum over red, green and blue, which is
    what the colour one computes on a grey image.

    Args:
        network: of that row.
        variant: its column `weights` is `none`, a word that the backbone's function `pretrained`
            knows, or the path of a file, with names as in the network or in its body.

    Returns:
        nothing for `none`; else `weights`, and how many tensors were `matched`, how many of the
        file were `skipped`, and how many of the network are `missing` in it.

    Raises:
        InputError: the word is unknown, the weights are not at hand, or none of them fits.
    """
    if variant.weights == "none":
        return {}
    given = {k: v for k, v in _given(variant).items() if v.is_floating_point()}
    own = {k: v for k, v in network.state_dict().items() if v.is_floating_point()}
    fitting = _fitting(given, own)
    if not fitting:
        raise InputError(
            f"{variant.weights!r} has no tensor that fits backbone {variant.backbone!r}",
            where=_WHERE,
            remedy="tensors must be named and shaped as in the network or in its body",
        )
    with torch.no_grad():
        for name, value in fitting.items():
            own[name].copy_(value)
    counts = {
        "matched": len(fitting),
        "skipped": len(given) - len(fitting),
        "missing": len(own) - len(fitting),
    }
    _LOG.info("%s: %s", variant.weights, ", ".join(f"{v} tensors {k}" for k, v in counts.items()))
    return {"weights": variant.weights, **counts}


def _given(variant: Variant) -> Mapping[str, Tensor]:
    """The tensors that a row's word stands for."""
    path = Path(variant.weights)
    if path.suffix or path.name != variant.weights:
        return read_state(path)
    module = importlib.import_module(f"ferbench.models.backbones.{variant.backbone}")
    if not hasattr(module, "pretrained"):
        known = ["none", "the path of a file"]
        kind = f"weights of backbone {variant.backbone}"
        raise unknown(kind, variant.weights, known, where=_WHERE)
    options = variant.options.get("backbone", {})
    state: Mapping[str, Tensor] = module.pretrained(variant.weights, variant.location, **options)
    return state


def _fitting(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What fits under the names as they are, or as names of the body; the larger of the two."""
    ways = ({prefix + name: value for name, value in given.items()} for prefix in ("", "body."))
    return max((_shaped(way, own) for way in ways), key=len)


def _shaped(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    fitting: dict[str, Tensor] = {}
    for name in given.keys() & own.keys():
        value, shape = given[name], own[name].shape
        if len(shape) == 4 and shape[1] == 1 and value.ndim == 4 and value.shape[1] == 3:
            value = value.sum(dim=1, keepdim=True)
        if value.shape == shape:
            fitting[name] = value
    return fitting
