"""A detector as a list of layers in ultralytics' own table form, with layers of ours in it.

ultralytics' parser knows its own layers only. A layer of ours stands in the table as a `Swap`: the
parser is given a word with the same effect on channels and size, and what it built is replaced by
ours afterwards. Nothing of the library is changed. The word `Gate` stands for an attention: rows
with gates can be taken out or added, and every reference is renumbered.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ferbench.models.blocks import Attention

__all__ = ["Graph", "LibraryGraph", "Row", "Swap", "gate_levels", "rows_without"]

_PROBE_PX = 64

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


class Swap(NamedTuple):
    """A layer that the library does not have.

    Args:
        stands_for: the library's word for a layer with the same output shape.
        make: the layer, from the channels it reads (a list if it reads several maps) and gives.
    """

    stands_for: str
    make: Callable[[Any, int], nn.Module]


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
        network = _make_detector(tree, classes, self.channels)
        _swap(network, swaps, self.channels)
        return network

    def _plain(self, index: int, row: Row, swaps: dict[int, Swap]) -> Row:
        """A row that the library can read; what it stands for is noted."""
        source, repeats, module, args = copy.copy(row)
        if module == "Gate":
            if self.gate is None:
                raise ValueError("a graph with gate rows has no gate")
            attention = self.gate
            module = Swap("nn.Identity", lambda c_in, c_out: attention(c_in))
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
        return _make_detector(tree, classes, self.channels)


def _make_detector(tree: dict[str, Any], classes: int, channels: int) -> nn.Module:
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
