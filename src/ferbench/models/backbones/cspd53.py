"""CSPDarkNet53 of YOLOv5s without a neck, as a detector or as features.

Source: P0, "YOLO-OSAM", table 2 and table 5; the released configuration sets Detect on P3, P4 and
P5 of the backbone.
Differs: P0 used the anchor-based v7-era code. The table prints these rows among classifiers, yet
gives mAP: a detector unless `form` says otherwise.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.graph import P2, P3, P4, P5, SPPF, Graph, csp_darknet, place
from ferbench.models.options import check_option
from ferbench.models.pretrained import coco_state, renumbered

__all__ = ["cspd53"]

_GATES = {
    "none": (),
    "outputs": (P3, P4, SPPF),
    "embedding": (P2, P3, P4, P5),
    "last": (SPPF,),
}
LOCATIONS = tuple(_GATES)
WEIGHTS = ("coco",)
_FORMS = ("detect", "classify")
_SHARED_ROWS = 10  # of YOLOv5s: its backbone


def cspd53(
    attention: Attention, location: str, conv: ConvUnit, channels: int, form: str = "detect"
) -> Graph | nn.Module:
    """The graph of the backbone with Detect on it, or its features alone.

    Args:
        attention: the part that stands at `location`, always in the backbone's own path.
        location: `none`; `outputs`: on the three maps that are read; `embedding`: behind each of
            the four C3; `last`: behind SPPF.
        conv: the unit whose activation replaces SiLU.
        channels: of the image.
        form: `detect`, or `classify` for a module (N, channels, H, W) -> (N, 512, H / 32, W / 32).

    Raises:
        InputError: the location or the form is unknown.
    """
    check_location(location, LOCATIONS, "cspd53")
    check_option("backbone cspd53", "form", form, _FORMS)
    graph = _graph(attention, location, conv, channels)
    if form == "detect":
        return graph
    network: Any = graph.build(classes=1)
    features: nn.Sequential = network.model[:-1]  # every row reads the one above it
    return features


def pretrained(word: str, location: str = "none", form: str = "detect") -> dict[str, Tensor]:
    """YOLOv5s' backbone after COCO, by the names of the network or features at a location.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option("backbone cspd53", "weights", word, WEIGHTS)
    graph = _graph(nn.Identity, location, ConvUnit(None), 3)
    state = renumbered(coco_state("yolov5su"), graph, _SHARED_ROWS)
    return state if form == "detect" else {k.removeprefix("model."): v for k, v in state.items()}


def _graph(attention: Attention, location: str, conv: ConvUnit, channels: int) -> Graph:
    gates = _GATES[location]
    levels = [place(row, gates) for row in (P3, P4, SPPF)]
    return Graph(
        backbone=csp_darknet(gates, inline=gates),
        head=[[levels, 1, "Detect", ["nc"]]],
        depth=0.33,
        width=0.50,
        gate=attention,
        activation=conv.expression(),
        channels=channels,
    )
