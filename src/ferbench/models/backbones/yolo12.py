"""YOLOv12-n, and with its options the parts of YOLO-FER.

Source: Tian et al., "YOLOv12", arXiv:2502.12524, in the authors' "turbo" form, which has the
parameters and cost of P2's base row; `base: library` is ultralytics' YOLO12n. P2, "YOLO-FER", adds
C3k2_star, MCA behind the backbone's area attention (an attention at location `backbone`), and LRFE.
Differs: P2's figures and equations are not in its text. Star blocks in all three C3k2 and half the
channels in the first two are read from its cost column (7.7 GFLOPs; a quarter gives 6.3). Its
parameter column fits no choice of modules in all rows.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial

from torch import nn

from ferbench.models.blocks import (
    Attention,
    ConvUnit,
    check_location,
    check_option,
    whole_number,
)
from ferbench.models.graph import Graph, Row, Swap, rows_without
from ferbench.models.yolo_blocks import LRFE, BottleneckLRFE, C3k2Star, NewStarBlock, TurboA2C2f

__all__ = ["YOLO12"]

_KNOWN: dict[str, tuple[object, ...]] = {
    "base": ("turbo", "library"),
    "star": (True, False),
    "star_act": ("silu", "relu6"),
    "star_e": (0.25, 0.5),
    "lrfe": ("none", "dilated", "bottleneck"),
    "dilation": (1, 2, 3),
}

_DEPTH, _WIDTH = 0.50, 0.25
_GROUPS = {1: 2, 3: 4}  # of the turbo form's second and third down-sampling, by row

# from, repeats, module, args; channels before width scaling.
_BACKBONE: list[Row] = [
    [-1, 1, "Conv", [64, 3, 2]],
    [-1, 1, "Conv", [128, 3, 2]],
    [-1, 2, "C3k2", [256, False, 0.25]],
    [-1, 1, "Conv", [256, 3, 2]],
    [-1, 2, "C3k2", [512, False, 0.25]],  # 4: P3
    [-1, 1, "Conv", [512, 3, 2]],
    [-1, 4, "A2C2f", [512, True, 4]],
    [-1, 1, "Gate", []],  # 7: P4
    [-1, 1, "Conv", [1024, 3, 2]],
    [-1, 4, "A2C2f", [1024, True, 1]],
    [-1, 1, "Gate", []],
    [-1, 1, "LRFE", []],  # 11: P5
]
_HEAD: list[Row] = [
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [[-1, 7], 1, "Concat", [1]],
    [-1, 2, "A2C2f", [512, False, -1]],  # 14
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [[-1, 4], 1, "Concat", [1]],
    [-1, 2, "A2C2f", [256, False, -1]],  # 17
    [-1, 1, "Conv", [256, 3, 2]],
    [[-1, 14], 1, "Concat", [1]],
    [-1, 2, "A2C2f", [512, False, -1]],  # 20
    [-1, 1, "Conv", [512, 3, 2]],
    [[-1, 11], 1, "Concat", [1]],
    [-1, 2, "C3k2", [1024, True]],  # 23
    [[17, 20, 23], 1, "Detect", ["nc"]],
]


@dataclass(frozen=True)
class YOLO12:
    """The graph of YOLOv12-n.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `backbone`: behind the two stages with area attention.
        conv: the unit whose activation replaces SiLU (not that of star blocks).
        channels: of the image.
        base: `turbo`, or `library`, for which there are pretrained weights.
        star: star blocks in every C3k2.
        star_act: of star blocks, `silu` or `relu6`.
        star_ratio: inner width of star blocks.
        star_e: width of the first two C3k2 with star blocks, as a share of their output.
        lrfe: the block behind the backbone: `none`, `dilated` or `bottleneck`.
        dilation: of that block.

    Raises:
        InputError: the location or an option's value is unknown.
    """

    attention: Attention
    location: str
    conv: ConvUnit
    channels: int
    _: KW_ONLY
    base: str = "turbo"
    star: bool = False
    star_act: str = "silu"
    star_ratio: int = 4
    star_e: float = 0.5
    lrfe: str = "none"
    dilation: int = 2

    def __post_init__(self) -> None:
        check_location(self.location, ("none", "backbone"), "yolo12")
        for option, known in _KNOWN.items():
            check_option("backbone yolo12", option, getattr(self, option), known)
        whole_number("star_ratio of backbone yolo12", self.star_ratio)

    def graph(self) -> Graph:
        """The layers."""
        rows = [self._chosen(i, row) for i, row in enumerate([*_BACKBONE, *_HEAD])]
        if self.lrfe == "none":
            rows = rows_without(rows, "LRFE")
        graph = Graph(
            backbone=rows[: -len(_HEAD)],
            head=rows[-len(_HEAD) :],
            depth=_DEPTH,
            width=_WIDTH,
            gate=self.attention,
            activation=self.conv.expression(),
            channels=self.channels,
        )
        return graph if self.location == "backbone" else graph.without_gates()

    def build(self, classes: int) -> nn.Module:
        """The network; its weights are drawn from torch's global generator."""
        return self.graph().build(classes)

    def _chosen(self, index: int, row: Row) -> Row:
        """A row with the layer that the options choose."""
        source, repeats, module, args = row
        if self.base == "turbo" and index in _GROUPS:
            return [source, repeats, module, [*args, 1, _GROUPS[index]]]
        count = max(round(repeats * _DEPTH), 1)
        if module == "C3k2" and self.star:
            return [source, repeats, self._star(args, count), args]
        if module == "A2C2f" and args[1] and self.base == "turbo":
            return [source, repeats, self._turbo(args[2], count), args]
        if module == "LRFE" and self.lrfe != "none":
            return [source, repeats, self._lrfe(), args]
        return row

    def _star(self, args: list[object], count: int) -> Swap:
        nested = bool(args[1])
        star = partial(NewStarBlock, ratio=self.star_ratio, act=self.star_act)
        expansion = 0.5 if nested else self.star_e
        make = partial(C3k2Star, repeats=count, nested=nested, expansion=expansion, star=star)
        return Swap("C3k2", lambda c_in, c_out: self._activated(make(c_in, c_out)))

    def _turbo(self, area: int, count: int) -> Swap:
        make = partial(TurboA2C2f, repeats=count, area=area)
        return Swap("A2C2f", lambda c_in, c_out: self._activated(make(c_in, c_out)))

    def _lrfe(self) -> Swap:
        form = LRFE if self.lrfe == "dilated" else BottleneckLRFE
        return Swap("nn.Identity", lambda c, _: self._activated(form(c, self.dilation)))

    def _activated(self, layer: nn.Module) -> nn.Module:
        """The layer with the unit's activation where the library's convolutions have SiLU."""
        unit = self.conv.module()
        for module in layer.modules():
            if unit is not None and isinstance(getattr(module, "act", None), nn.SiLU):
                module.act = unit
        return layer
