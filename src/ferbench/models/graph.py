"""The rows of a detector's table, and the same rows with some of them taken out."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ferbench.models.blocks import Attention

__all__ = [
    "P2",
    "P3",
    "P4",
    "P5",
    "SPPF",
    "Graph",
    "LibraryGraph",
    "Row",
    "Swap",
    "csp_darknet",
    "gate_levels",
    "gated",
    "make_detector",
    "place",
    "rows_without",
]

# from, repeats, module, args
Row = list[Any]


def rows_without(rows: list[Row], word: str) -> list[Row]:
    """The rows whose module is not `word`, with every reference renumbered.

    What read a row that is gone reads what that row read.
    """
    stands_for: list[int] = []  # old index -> new index of the row that gives the same map
    kept = 0
    for i, (source, _, module, _) in enumerate(rows):
        if module == word:
            stands_for.append(stands_for[i - 1 if source == -1 else source])
        else:
            stands_for.append(kept)
            kept += 1
    return [
        [_renumber(row[0], i, stands_for), *copy.deepcopy(row[1:])]
        for i, row in enumerate(rows)
        if row[2] != word
    ]


def _renumber(source: int | list[int], row: int, stands_for: list[int]) -> int | list[int]:
    """New index of what `row` reads; -1 stays -1 where the row above still stands above."""
    if isinstance(source, list):
        return [_absolute(s, row, stands_for) for s in source]
    new = _absolute(source, row, stands_for)
    return -1 if new == stands_for[row] - 1 else new


def _absolute(source: int, row: int, stands_for: list[int]) -> int:
    # -1 on the first row is the image itself.
    return -1 if row + source < 0 else stands_for[row + source if source < 0 else source]


# MERGED from ferbench.models.graph:
# A detector as a list of layers in ultralytics' own table form, with layers of ours in it.
#
# ultralytics' parser knows its own layers only. A layer of ours stands in the table as a `Swap`: the
# parser is given a word with the same effect on channels and size, and what it built is put out for
# ours afterwards. Nothing of the library is changed.


_PROBE_PX = 64


class Swap(NamedTuple):
    """A layer that the library does not have.

    Args:
        stands_for: the library's word for a layer with the same output shape.
        make: the layer, from the channels it reads (a list if it reads several maps) and gives.
    """

    stands_for: str
    make: Callable[[Any, int], nn.Module]


def gated(attention: Attention) -> Swap:
    """A row's module that keeps the shape: an attention on the map it reads."""
    return Swap("nn.Identity", lambda c_in, c_out: attention(c_in))


@dataclass(frozen=True)
class Graph:
    """Layers as rows `[from, repeats, module, args]`; channels before width scaling.

    A module is a word of the library, a `Swap`, or the word `Gate`.

    Args:
        backbone: rows from image to features.
        head: rows from features to `Detect`, whose class count is the word `nc`.
        depth: factor of repeats.
        width: factor of channels.
        gate: what stands for the word `Gate`, on a map of so many channels.
        activation: of every convolution, or None for SiLU.
        channels: of the image.
        max_channels: bound of channels before scaling.
    """

    backbone: list[Row]
    head: list[Row]
    depth: float
    width: float
    gate: Attention | None
    activation: str | None
    channels: int
    max_channels: float = math.inf

    def without_gates(self) -> Graph:
        """The same graph with its gate rows taken out and every reference renumbered."""
        new = rows_without([*self.backbone, *self.head], "Gate")
        stem = sum(row[2] != "Gate" for row in self.backbone)
        return replace(self, backbone=new[:stem], head=new[stem:])

    def build(self, classes: int) -> nn.Module:
        """The network, an `ultralytics.nn.tasks.DetectionModel`.

        Its weights are drawn from torch's global generator: seed it before.
        """
        swaps: dict[int, Swap] = {}
        rows = [self._plain(i, row, swaps) for i, row in enumerate([*self.backbone, *self.head])]
        tree: dict[str, Any] = {
            "nc": classes,
            "backbone": rows[: len(self.backbone)],
            "head": rows[len(self.backbone) :],
            "scales": {"own": [self.depth, self.width, self.max_channels]},
            "scale": "own",
        }
        if self.activation:
            tree["activation"] = self.activation
        network = make_detector(tree, classes, self.channels)
        _swap(network, swaps, self.channels)
        return network

    def _plain(self, index: int, row: Row, swaps: dict[int, Swap]) -> Row:
        """A row that the library can read; what it stands for is noted."""
        source, repeats, module, args = copy.copy(row)
        if module == "Gate":
            if self.gate is None:
                raise ValueError("a graph with gate rows has no gate")
            module = gated(self.gate)
        if isinstance(module, Swap):
            swaps[index] = module
            module = module.stands_for
        return [source, repeats, module, copy.deepcopy(args)]


@dataclass(frozen=True)
class LibraryGraph:
    """A model that the library has under a name of its own.

    Args:
        name: its configuration, such as `yolov8s.yaml`.
        channels: of the image.
        activation: of every convolution, or None for the model's own.
    """

    name: str
    channels: int
    activation: str | None = None

    def build(self, classes: int) -> nn.Module:
        """The network; its weights are drawn from torch's global generator."""
        from ultralytics.nn.tasks import yaml_model_load

        tree = yaml_model_load(self.name)
        if self.activation:
            tree["activation"] = self.activation
        return make_detector(tree, classes, self.channels)


def make_detector(tree: dict[str, Any], classes: int, channels: int) -> nn.Module:
    """The library's network of a configuration.

    An end-to-end one is read by its one-to-one branch, before its own choice of the best boxes.
    """
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel(tree, ch=channels, nc=classes, verbose=False)
    if hasattr(network.model[-1], "one2one_cv2"):
        from ferbench.models.deploy import OneToOne

        network.model[-1].__class__ = OneToOne
    return network


def _swap(network: Any, swaps: dict[int, Swap], channels: int) -> None:
    """Put our layers in the place of those that stood for them."""
    from ultralytics.utils.torch_utils import initialize_weights

    seen = _channels_at(network, channels)
    for index, swap in swaps.items():
        old = network.model[index]
        new: Any = swap.make(*seen[index])
        initialize_weights(new)
        new.i, new.f, new.type = old.i, old.f, type(new).__name__
        new.np = sum(p.numel() for p in new.parameters())
        new.train(old.training)
        network.model[index] = new


def _channels_at(network: Any, channels: int) -> list[tuple[Any, int]]:
    """What each layer but the last reads and gives, asked of the network itself."""
    found: list[tuple[Any, int]] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        del module
        x = inputs[0]
        read = x.shape[1] if isinstance(x, Tensor) else [part.shape[1] for part in x]
        found.append((read, output.shape[1]))

    handles = [layer.register_forward_hook(note) for layer in network.model[:-1]]
    training = network.training
    with torch.no_grad():
        network.eval()(torch.zeros(1, channels, _PROBE_PX, _PROBE_PX))
    network.train(training)
    for handle in handles:
        handle.remove()
    return found


# MERGED from ferbench.models.graph:
# The rows of YOLOv5's backbone, with gates behind some of them.
#
# Source: YOLOv5 v6 (stem of a 6x6 convolution, four stages of C3, SPPF), as ultralytics lists it in
# `yolov5.yaml`.
# Differs: nothing. P0's text describes the stem and the pooling of v5; its released code has these.


# repeats, module, args; channels before width scaling. Each row reads the one above it.
_ROWS: list[Row] = [
    [1, "Conv", [64, 6, 2, 2]],
    [1, "Conv", [128, 3, 2]],
    [3, "C3", [128]],
    [1, "Conv", [256, 3, 2]],
    [6, "C3", [256]],
    [1, "Conv", [512, 3, 2]],
    [9, "C3", [512]],
    [1, "Conv", [1024, 3, 2]],
    [3, "C3", [1024]],
    [1, "SPPF", [1024, 5]],
]
# Rows that end a stage.
P2, P3, P4, P5, SPPF = 2, 4, 6, 8, 9


def csp_darknet(gates: Collection[int], inline: Collection[int] = ()) -> list[Row]:
    """The ten rows with a gate behind each row of `gates`.

    Args:
        gates: numbers of rows, counted without gates.
        inline: those of them whose gated map the backbone itself goes on with; behind the others it
            goes on with the map as it was, and the gate stands on a side branch.
    """
    rows: list[Row] = []
    source = -1
    for i, row in enumerate(_ROWS):
        rows.append([source, *row])
        source = -1
        if i in gates:
            own = len(rows) - 1
            rows.append([own, 1, "Gate", []])
            source = -1 if i in inline else own
    return rows


def place(row: int, gates: Collection[int]) -> int:
    """Where the map of a row comes out among the gated rows: at its gate, if it has one.

    >>> place(P4, gates=(P3, P4)), place(P5, gates=(P3, P4))
    (8, 10)
    """
    return row + sum(gate <= row for gate in gates)


# MERGED from ferbench.models.graph:
# Gates between a detector's neck and its heads.


def gate_levels(graph: Graph) -> Graph:
    """The graph with a gate on each map that `Detect` reads.

    All else that reads these maps, such as the path down from one level to the next, reads them
    ungated.
    """
    *head, detect = graph.head
    first = len(graph.backbone) + len(head)
    gates: list[Row] = [[level, 1, "Gate", []] for level in detect[0]]
    gated = [first + i for i in range(len(gates))]
    return replace(graph, head=[*head, *gates, [gated, *detect[1:]]])
