"""A detector as a list of layers, and the same list without its gates.

ultralytics has no place to register a layer; its own context manager lends a name to the parser for
as long as one network is built, which is how a `Gate` row finds our class. Everything that relies
on it is here.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ferbench.models.blocks import Attention

__all__ = ["Graph", "Row", "gate_path"]

Row = list[Any]


@dataclass(frozen=True)
class Graph:
    """Layers as rows `[from, repeats, module, args]`, in the form that ultralytics parses.

    A row `Gate` takes the word `c2` as its argument: the parser puts the scaled channel count of
    the row above in its place, so a gate stands directly below the row that it reads.

    Args:
        backbone: rows from image to features.
        head: rows from features to `Detect`, whose class count is the word `nc`.
        depth: factor of repeats.
        width: factor of channels.
        gate: dotted path of the class behind the word `Gate`.
        activation: of every convolution, or None for SiLU.
        channels: of the image.
    """

    backbone: list[Row]
    head: list[Row]
    depth: float
    width: float
    gate: str
    activation: str | None
    channels: int

    def without_gates(self) -> Graph:
        """The same graph with its gate rows taken out and every reference renumbered."""
        rows = [*self.backbone, *self.head]
        stands_for: list[int] = []  # old index -> new index of the row that gives the same map
        kept = 0
        for i, (source, _, module, _) in enumerate(rows):
            if module == "Gate":
                stands_for.append(stands_for[i - 1 if source == -1 else source])
            else:
                stands_for.append(kept)
                kept += 1
        new = [
            [_renumber(row[0], i, stands_for), *copy.deepcopy(row[1:])]
            for i, row in enumerate(rows)
            if row[2] != "Gate"
        ]
        stem = sum(row[2] != "Gate" for row in self.backbone)
        return replace(self, backbone=new[:stem], head=new[stem:])

    def build(self, classes: int) -> nn.Module:
        """The network, an `ultralytics.nn.tasks.DetectionModel`.

        Its weights are drawn from torch's global generator: seed it before.
        """
        from ultralytics.nn.tasks import DetectionModel, temporary_modules

        tree = {
            "nc": classes,
            "depth_multiple": self.depth,
            "width_multiple": self.width,
            "backbone": copy.deepcopy(self.backbone),
            "head": copy.deepcopy(self.head),
        }
        if self.activation:
            tree["activation"] = self.activation
        with temporary_modules(attributes={"ultralytics.nn.tasks.Gate": self.gate}):
            network: nn.Module = DetectionModel(tree, ch=self.channels, nc=classes, verbose=False)
        return network


def _renumber(source: int | list[int], row: int, stands_for: list[int]) -> int | list[int]:
    """New index of what `row` reads; -1 stays -1 where the row above still stands above."""
    if isinstance(source, list):
        return [_absolute(s, row, stands_for) for s in source]
    new = _absolute(source, row, stands_for)
    return -1 if new == stands_for[row] - 1 else new


def _absolute(source: int, row: int, stands_for: list[int]) -> int:
    # -1 on the first row is the image itself.
    return -1 if row + source < 0 else stands_for[row + source if source < 0 else source]


def gate_path(attention: Attention) -> str:
    """The dotted path by which the parser imports an attention class."""
    return f"{attention.__module__}.{attention.__qualname__}"
