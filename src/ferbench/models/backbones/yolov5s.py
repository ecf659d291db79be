"""YOLOv5s, with gates on the branches from backbone to neck.

Source: YOLOv5 v6 (depth 0.33, width 0.50), anchor-free as the base library builds it; gate places
from P0's released 4-head configuration: on the side branches, the backbone's own path goes on
ungated.
Differs: P0 used the anchor-based v7-era code; in its released 3-head file the P4 gate stands in the
path (`inline`).
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.graph import P3, P4, SPPF, Graph, Row, csp_darknet
from ferbench.models.options import check_option
from ferbench.models.pretrained import coco_state, renumbered

__all__ = ["yolov5s"]

LOCATIONS = ("none", "branches")
WEIGHTS = ("coco",)

# Behind the backbone's rows 0 to 12, of which 5, 8 and 12 are the gates of P3, P4 and P5.
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


def yolov5s(
    attention: Attention, location: str, conv: ConvUnit, channels: int, inline: bool = False
) -> Graph:
    """The graph of YOLOv5s.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `branches`: behind P3, P4 and P5 on their way to the neck.
        conv: the unit whose activation replaces SiLU.
        channels: of the image.
        inline: the backbone goes on from the gated P4.

    Raises:
        InputError: the location is unknown.
    """
    check_location(location, LOCATIONS, "yolov5s")
    graph = Graph(
        backbone=csp_darknet(gates=(P3, P4, SPPF), inline=(P4,) if inline else ()),
        head=_HEAD,
        depth=0.33,
        width=0.50,
        gate=attention,
        activation=conv.expression(),
        channels=channels,
    )
    return graph if location == "branches" else graph.without_gates()


def pretrained(word: str, location: str = "none", inline: bool = False) -> dict[str, Tensor]:
    """YOLOv5s after COCO, by the names of the network at a location.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option("backbone yolov5s", "weights", word, WEIGHTS)
    graph = yolov5s(nn.Identity, location, ConvUnit(None), 3, inline)
    return renumbered(coco_state("yolov5su"), graph)
