"""YOLOv5s, with gates on the branches from backbone to neck.

Source: YOLOv5 v6 (depth 0.33, width 0.50), anchor-free as the base library builds it; gate places
from P0's released 4-head configuration: on the side branches, the backbone's own path goes on
ungated.
Differs: P0 used the anchor-based v7-era code; in its released 3-head file the P4 gate stands in the
path.
"""

from __future__ import annotations

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.graph import Graph, Row, gate_path

__all__ = ["yolov5s"]

_LOCATIONS = ("none", "branches")

# from, repeats, module, args; channels before width scaling. A Gate row names the stage it reads.
_BACKBONE: list[Row] = [
    [-1, 1, "Conv", [64, 6, 2, 2]],
    [-1, 1, "Conv", [128, 3, 2]],
    [-1, 3, "C3", [128]],
    [-1, 1, "Conv", [256, 3, 2]],
    [-1, 6, "C3", [256]],
    [4, 1, "Gate", ["c2"]],  # 5: P3
    [4, 1, "Conv", [512, 3, 2]],
    [-1, 9, "C3", [512]],
    [7, 1, "Gate", ["c2"]],  # 8: P4
    [7, 1, "Conv", [1024, 3, 2]],
    [-1, 3, "C3", [1024]],
    [-1, 1, "SPPF", [1024, 5]],
    [11, 1, "Gate", ["c2"]],  # 12: P5
]
_HEAD: list[Row] = [
    [12, 1, "Conv", [512, 1, 1]],
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [[-1, 8], 1, "Concat", [1]],
    [-1, 3, "C3", [512, False]],
    [-1, 1, "Conv", [256, 1, 1]],
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [[-1, 5], 1, "Concat", [1]],
    [-1, 3, "C3", [256, False]],  # 20
    [-1, 1, "Conv", [256, 3, 2]],
    [[-1, 17], 1, "Concat", [1]],
    [-1, 3, "C3", [512, False]],  # 23
    [-1, 1, "Conv", [512, 3, 2]],
    [[-1, 13], 1, "Concat", [1]],
    [-1, 3, "C3", [1024, False]],  # 26
    [[20, 23, 26], 1, "Detect", ["nc"]],
]


def yolov5s(attention: Attention, location: str, conv: ConvUnit, channels: int) -> Graph:
    """The graph of YOLOv5s.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `branches`: behind P3, P4 and P5 on their way to the neck.
        conv: the unit whose activation replaces SiLU.
        channels: of the image.

    Raises:
        InputError: the location is unknown.
    """
    check_location(location, _LOCATIONS, "yolov5s")
    graph = Graph(
        backbone=_BACKBONE,
        head=_HEAD,
        depth=0.33,
        width=0.50,
        gate=gate_path(attention),
        activation=conv.expression(),
        channels=channels,
    )
    return graph if location == "branches" else graph.without_gates()
