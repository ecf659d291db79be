"""Detectors' weights after COCO, under the numbers that rows have among gates.

Source: the assets of ultralytics' release, one whole model a file, of which the tensors are read.
Differs: nothing.
"""

from __future__ import annotations

from torch import Tensor

from ferbench.models.graph import Graph
from ferbench.models.state_file import hub_file, read_state

__all__ = ["coco_state", "renumbered"]

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
