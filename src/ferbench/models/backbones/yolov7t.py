"""YOLOv7-tiny, with gates between neck and heads.

Source: Wang, Bochkovskiy, Liao, "YOLOv7", CVPR 2023, arXiv:2207.02696, and its released
`yolov7-tiny` configuration.
Differs: the anchor-free head of the base library instead of three anchors a place.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.graph import Graph, Row, Swap, gate_levels
from ferbench.models.yolo_blocks import ELANTiny

__all__ = ["yolov7t"]

_SLOPE = 0.1
# The word ELAN stands for the block, whose activation is that of the row.
_BACKBONE: list[Row] = [
    [-1, 1, "Conv", [32, 3, 2]],
    [-1, 1, "Conv", [64, 3, 2]],
    [-1, 1, "ELAN", [64]],
    [-1, 1, "nn.MaxPool2d", [2, 2]],
    [-1, 1, "ELAN", [128]],  # 4: P3
    [-1, 1, "nn.MaxPool2d", [2, 2]],
    [-1, 1, "ELAN", [256]],  # 6: P4
    [-1, 1, "nn.MaxPool2d", [2, 2]],
    [-1, 1, "ELAN", [512]],  # 8: P5
]
_HEAD: list[Row] = [
    [8, 1, "Conv", [256, 1, 1]],
    [8, 1, "Conv", [256, 1, 1]],
    [10, 1, "nn.MaxPool2d", [5, 1, 2]],
    [10, 1, "nn.MaxPool2d", [9, 1, 4]],
    [10, 1, "nn.MaxPool2d", [13, 1, 6]],
    [[13, 12, 11, 10], 1, "Concat", [1]],
    [-1, 1, "Conv", [256, 1, 1]],
    [[-1, 9], 1, "Concat", [1]],
    [-1, 1, "Conv", [256, 1, 1]],  # 17: S5
    [-1, 1, "Conv", [128, 1, 1]],
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [6, 1, "Conv", [128, 1, 1]],
    [[-1, 19], 1, "Concat", [1]],
    [-1, 1, "ELAN", [128]],  # 22: T4
    [-1, 1, "Conv", [64, 1, 1]],
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [4, 1, "Conv", [64, 1, 1]],
    [[-1, 24], 1, "Concat", [1]],
    [-1, 1, "ELAN", [64]],  # 27: T3
    [-1, 1, "Conv", [128, 3, 2]],
    [[-1, 22], 1, "Concat", [1]],
    [-1, 1, "ELAN", [128]],  # 30: N4
    [-1, 1, "Conv", [256, 3, 2]],
    [[-1, 17], 1, "Concat", [1]],
    [-1, 1, "ELAN", [256]],  # 33: N5
    [27, 1, "Conv", [128, 3, 1]],
    [30, 1, "Conv", [256, 3, 1]],
    [33, 1, "Conv", [512, 3, 1]],
    [[34, 35, 36], 1, "Detect", ["nc"]],
]


def yolov7t(attention: Attention, location: str, conv: ConvUnit, channels: int) -> Graph:
    """The graph of YOLOv7-tiny.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `neck`: on each of the three maps that Detect reads.
        conv: the unit whose activation replaces LeakyReLU with slope 0.1.
        channels: of the image.

    Raises:
        InputError: the location is unknown.
    """
    check_location(location, ("none", "neck"), "yolov7t")
    unit = ConvUnit("LeakyReLU", _SLOPE) if conv.name is None else conv
    graph = Graph(
        backbone=_with_blocks(_BACKBONE, unit),
        head=_with_blocks(_HEAD, unit),
        depth=1.0,
        width=1.0,
        gate=attention,
        activation=unit.expression(),
        channels=channels,
    )
    return gate_levels(graph) if location == "neck" else graph


def _with_blocks(rows: list[Row], unit: ConvUnit) -> list[Row]:
    """The rows with the block itself in the place of its word; a 1x1 convolution stands for it."""
    block = Swap("Conv", partial(_elan, unit))
    return [[*r[:2], block, [*r[3], 1, 1]] if r[2] == "ELAN" else r for r in rows]


def _elan(unit: ConvUnit, c_in: int, c_out: int) -> nn.Module:
    return ELANTiny(c_in, c_out, unit.module() or nn.LeakyReLU(_SLOPE))
