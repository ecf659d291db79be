"""YOLOv5s by the base library, its backbone alone, and YOLO-OSAM's form with a fourth head.

Sources: YOLOv5 v6 (stem of a 6x6 convolution, four stages of C3, SPPF; depth 0.33, width 0.50), as
ultralytics lists it in `yolov5.yaml`; P0, "YOLO-OSAM", tables 2 and 5, and its released
configurations, for the places of attention.
Differs: P0 used the anchor-based v7-era code, here the head is the base library's anchor-free one.
P0's text describes the stem and the pooling of v5; its released code has these.

Each backbone is a function of the attention that stands at `location`, of the location, of the
convolution unit whose activation replaces SiLU, and of the image's channels; it raises InputError
for an unknown location or option. `<backbone>_weights` gives the weights after COCO under the names
of the network at a location.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location, check_option
from ferbench.models.graph import Graph, Row, gate_levels
from ferbench.models.pretrained import coco_state, renumbered

__all__ = ["cspd53", "yolov5s", "yolov5s4h"]

_WEIGHTS = ("coco",)
_WIDTH = 0.50  # factor of channels of YOLOv5s
_WIDTHS = (0.25, _WIDTH)  # of YOLOv5n and YOLOv5s

# repeats, module, args; channels before width scaling. Each row reads the one above it.
_BACKBONE: list[Row] = [
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
_P2, _P3, _P4, _P5, _SPPF = 2, 4, 6, 8, 9

# Necks read rows by number, and numbers differ with the gates among the backbone's rows. Here they
# are 0 to 12, of which 5, 8 and 12 are the gates of P3, P4 and P5.
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
# Of four heads: the same neck behind rows 0 to 13, of which 3, 6, 9 and 13 are the gates of P2 to
# P5, so that every number is higher by one.
_NECK_4H: list[Row] = [
    [[s + (s > 0) for s in source] if isinstance(source, list) else source + (source > 0), *rest]
    for source, *rest in _HEAD[:-1]
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
_DETECT_4H: Row = [[31, 21, 24, 27], 1, "Detect", ["nc"]]
_SHARED_ROWS_4H = 24  # of YOLOv5s: all but its Detect

_GATES_CSPD53 = {
    "none": (),
    "outputs": (_P3, _P4, _SPPF),
    "embedding": (_P2, _P3, _P4, _P5),
    "last": (_SPPF,),
}


def yolov5s(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    *,
    inline: bool = False,
    width: float = _WIDTH,
) -> Graph:
    """The graph of YOLOv5s, with attention on the branches from backbone to neck.

    Locations: `none`; `branches`: behind P3, P4 and P5 on their way to the neck, as in P0's
    released 4-head configuration: the backbone's own path goes on with the unweighted map. In its
    released 3-head file the backbone goes on from the weighted P4: `inline`.
    `width` is the factor of channels: 0.5, or 0.25 for YOLOv5n.
    """
    check_location(location, ("none", "branches"), "yolov5s")
    check_option("backbone yolov5s", "width", width, _WIDTHS)
    backbone = csp_darknet(gates=(_P3, _P4, _SPPF), inline=(_P4,) if inline else ())
    graph = _graph(backbone, _HEAD, attention, conv, channels, width=width)
    return graph if location == "branches" else graph.without_gates()


def yolov5s_weights(word: str, location: str = "none", inline: bool = False) -> dict[str, Tensor]:
    """YOLOv5s after COCO.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option("backbone yolov5s", "weights", word, _WEIGHTS)
    graph = yolov5s(nn.Identity, location, ConvUnit(None), 3, inline=inline)
    return renumbered(coco_state("yolov5su"), graph)


def yolov5s4h(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    p2_fusion: str = "released",
    *,
    width: float = _WIDTH,
) -> Graph:
    """The graph of YOLOv5s with a fourth head at a stride of 4, the detector of YOLO-OSAM.

    Source: P0, table 2, rows "Improve YOLOv5", in the wiring of its released 4-head configuration.
    Differs: heads are listed by ascending stride, which fixes the hidden width of `Detect` at P2's.
    The released control without attention reads the map of stride 8 a second time by an error of
    numbering; here it is the same graph without its gates. The released neck placement leaves the
    last C3 and its gate without a gradient; here Detect reads all four gates.
    Locations: `none`; `branches`: behind P2 to P5 on their way to the neck; `neck`: on each of the
    neck's four maps before Detect, the path down goes on with the unweighted map.
    `p2_fusion` is `released`: the new level sees P2 alone, or `topdown`: it is fed from P3 as well.
    `width` is the factor of channels: 0.5, or 0.25 for the width of YOLOv5n.
    """
    check_location(location, ("none", "branches", "neck"), "yolov5s4h")
    check_option("backbone yolov5s4h", "width", width, _WIDTHS)
    check_option("backbone yolov5s4h", "p2_fusion", p2_fusion, _P2_FUSION)
    backbone = csp_darknet(gates=(_P2, _P3, _P4, _SPPF))
    head = [*_NECK_4H, *_P2_FUSION[p2_fusion], _DETECT_4H]
    graph = _graph(backbone, head, attention, conv, channels, width=width)
    if location == "branches":
        return graph
    return gate_levels(graph.without_gates()) if location == "neck" else graph.without_gates()


def yolov5s4h_weights(
    word: str, location: str = "none", p2_fusion: str = "released"
) -> dict[str, Tensor]:
    """YOLOv5s after COCO, without its Detect.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option("backbone yolov5s4h", "weights", word, _WEIGHTS)
    graph = yolov5s4h(nn.Identity, location, ConvUnit(None), 3, p2_fusion)
    return renumbered(coco_state("yolov5su"), graph, _SHARED_ROWS_4H)


def cspd53(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    form: str = "detect",
    *,
    width: float = _WIDTH,
) -> Graph | nn.Module:
    """CSPDarkNet53 of YOLOv5s without a neck: a graph with Detect on it, or its features alone.

    Source: P0, table 2 and table 5; the released configuration sets Detect on P3, P4 and P5 of the
    backbone.
    Differs: the table prints these rows among classifiers, yet gives mAP: a detector unless `form`
    is `classify`, a module (N, channels, H, W) -> (N, 1024 * width, H / 32, W / 32).
    Locations, always in the backbone's own path: `none`; `outputs`: on the three maps that are
    read; `embedding`: behind each of the four C3; `last`: behind SPPF.
    `width` is the factor of channels: 0.5, or 0.25 for the width of YOLOv5n.
    """
    check_location(location, _GATES_CSPD53, "cspd53")
    check_option("backbone cspd53", "form", form, ("detect", "classify"))
    check_option("backbone cspd53", "width", width, _WIDTHS)
    graph = _cspd53_graph(attention, location, conv, channels, width)
    if form == "detect":
        return graph
    network: Any = graph.build(classes=1)
    return _Features(OrderedDict(network.model[:-1].named_children()))


def cspd53_weights(word: str, location: str = "none", form: str = "detect") -> dict[str, Tensor]:
    """YOLOv5s' backbone after COCO, by the names of the network or of the features.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option("backbone cspd53", "weights", word, _WEIGHTS)
    graph = _cspd53_graph(nn.Identity, location, ConvUnit(None), 3)
    state = renumbered(coco_state("yolov5su"), graph, len(_BACKBONE))
    return state if form == "detect" else {k.removeprefix("model."): v for k, v in state.items()}


def _cspd53_graph(
    attention: Attention, location: str, conv: ConvUnit, channels: int, width: float = _WIDTH
) -> Graph:
    gates = _GATES_CSPD53[location]
    # A map comes out of its gate, if it has one: each gate so far moves it by one row.
    levels = [row + sum(gate <= row for gate in gates) for row in (_P3, _P4, _SPPF)]
    head: list[Row] = [[levels, 1, "Detect", ["nc"]]]
    backbone = csp_darknet(gates, inline=gates)
    return _graph(backbone, head, attention, conv, channels, width=width)


class _Features(nn.Sequential):
    """The backbone as a classifier's body; every layer reads the one above it."""

    def cam_layers(self) -> list[nn.Module]:
        """The layers from the last to the first."""
        return [layer for layer in reversed(self) if not isinstance(layer, nn.Identity)]


def csp_darknet(gates: Collection[int], inline: Collection[int] = ()) -> list[Row]:
    """The ten rows of the backbone with a gate behind each row of `gates`.

    Args:
        gates: numbers of rows, counted without gates.
        inline: those of them whose weighted map the backbone itself goes on with; behind the others
            it goes on with the map as it was, and the gate stands on a side branch.
    """
    rows: list[Row] = []
    source = -1
    for i, row in enumerate(_BACKBONE):
        rows.append([source, *row])
        source = -1
        if i in gates:
            own = len(rows) - 1
            rows.append([own, 1, "Gate", []])
            source = -1 if i in inline else own
    return rows


def _graph(
    backbone: list[Row],
    head: list[Row],
    attention: Attention,
    conv: ConvUnit,
    channels: int,
    *,
    width: float = _WIDTH,
) -> Graph:
    return Graph(
        backbone=backbone,
        head=head,
        depth=0.33,
        width=width,
        gate=attention,
        activation=conv.expression(),
        channels=channels,
    )
