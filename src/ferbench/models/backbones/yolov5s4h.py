"""YOLOv5s with a fourth head at a stride of 4, the detector of YOLO-OSAM.

Source: P0, "YOLO-OSAM", table 2, rows "Improve YOLOv5", in the wiring of its released 4-head
configuration; anchor-free as the base library builds it.
Differs: P0 used the anchor-based v7-era code. Heads are listed by ascending stride, which fixes the
hidden width of `Detect` at P2's. The released control without attention reads the map of stride 8 a
second time by an error of numbering; here it is the same graph without its gates. The released neck
placement leaves the last C3 and its gate without a gradient; here Detect reads all four gates.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.graph import P2, P3, P4, SPPF, Graph, Row, csp_darknet, gate_levels
from ferbench.models.options import check_option
from ferbench.models.pretrained import coco_state, renumbered

__all__ = ["yolov5s4h"]

LOCATIONS = ("none", "branches", "neck")
WEIGHTS = ("coco",)

# Behind the backbone's rows 0 to 13, of which 3, 6, 9 and 13 are the gates of P2 to P5.
_NECK: list[Row] = [
    [13, 1, "Conv", [512, 1, 1]],
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [[-1, 9], 1, "Concat", [1]],
    [-1, 3, "C3", [512, False]],
    [-1, 1, "Conv", [256, 1, 1]],
    [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
    [[-1, 6], 1, "Concat", [1]],
    [-1, 3, "C3", [256, False]],  # 21
    [-1, 1, "Conv", [256, 3, 2]],
    [[-1, 18], 1, "Concat", [1]],
    [-1, 3, "C3", [512, False]],  # 24
    [-1, 1, "Conv", [512, 3, 2]],
    [[-1, 14], 1, "Concat", [1]],
    [-1, 3, "C3", [1024, False]],  # 27
]
# Rows 28 to 31, the new level. As released it refines P2 alone; the text speaks of a fusion.
_P2_FUSION: dict[str, list[Row]] = {
    "released": [
        [3, 3, "C3", [128]],
        [-1, 1, "nn.Upsample", [None, 1, "nearest"]],
        [[-1, 3], 1, "Concat", [1]],
        [-1, 3, "C3", [128, False]],
    ],
    "topdown": [
        [21, 1, "Conv", [128, 1, 1]],
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 3], 1, "Concat", [1]],
        [-1, 3, "C3", [128, False]],
    ],
}
_DETECT: Row = [[31, 21, 24, 27], 1, "Detect", ["nc"]]
_SHARED_ROWS = 24  # of YOLOv5s: all but its Detect


def yolov5s4h(
    attention: Attention, location: str, conv: ConvUnit, channels: int, p2_fusion: str = "released"
) -> Graph:
    """The graph of the four-headed YOLOv5s.

    Args:
        attention: the part that stands at `location`.
        location: `none`; `branches`: behind P2 to P5 on their way to the neck; `neck`: on each of
            the neck's four maps before Detect, the path down goes on ungated.
        conv: the unit whose activation replaces SiLU.
        channels: of the image.
        p2_fusion: `released`: the new level sees P2 alone; `topdown`: it is fed from P3 as well.

    Raises:
        InputError: the location or the fusion is unknown.
    """
    check_location(location, LOCATIONS, "yolov5s4h")
    check_option("backbone yolov5s4h", "p2_fusion", p2_fusion, _P2_FUSION)
    graph = Graph(
        backbone=csp_darknet(gates=(P2, P3, P4, SPPF)),
        head=[*_NECK, *_P2_FUSION[p2_fusion], _DETECT],
        depth=0.33,
        width=0.50,
        gate=attention,
        activation=conv.expression(),
        channels=channels,
    )
    if location == "branches":
        return graph
    return gate_levels(graph.without_gates()) if location == "neck" else graph.without_gates()


def pretrained(word: str, location: str = "none", p2_fusion: str = "released") -> dict[str, Tensor]:
    """YOLOv5s after COCO, by the names of the network at a location, without its Detect.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option("backbone yolov5s4h", "weights", word, WEIGHTS)
    graph = yolov5s4h(nn.Identity, location, ConvUnit(None), 3, p2_fusion)
    return renumbered(coco_state("yolov5su"), graph, _SHARED_ROWS)
