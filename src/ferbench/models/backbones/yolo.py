"""The base library's own detectors, with gates between neck and heads.

Source: ultralytics' configurations of YOLOv3, v5, v6, v8, v9, v10, 11 and 12 (as a library), sizes
nano and small. P0's table 1 compares with nine generations and names no size.
Differs: YOLOv3, v5 and v6 have the library's anchor-free head. Its YOLOv6 is one of plain
convolutions without branches to merge, its YOLO12 is not the authors' later "turbo" form.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import Attention, ConvUnit, check_location, check_option
from ferbench.models.graph import Graph, LibraryGraph, gate_levels
from ferbench.models.pretrained import coco_state, renumbered

__all__ = ["yolo"]

# The library's name of the model, and of its weights after COCO, if there are any.
_MODELS: dict[str, str | None] = {
    "yolov3": "yolov3u",
    "yolov3-tiny": "yolov3-tinyu",
    "yolov5n": "yolov5nu",
    "yolov5s": "yolov5su",
    "yolov6n": None,
    "yolov6s": None,
    "yolov8n": "yolov8n",
    "yolov8s": "yolov8s",
    "yolov9t": "yolov9t",
    "yolov9s": "yolov9s",
    "yolov10n": "yolov10n",
    "yolov10s": "yolov10s",
    "yolo11n": "yolo11n",
    "yolo11s": "yolo11s",
    "yolo12n": "yolo12n",
    "yolo12s": "yolo12s",
}


def yolo(
    attention: Attention, location: str, conv: ConvUnit, channels: int, model: str = "yolov8s"
) -> Graph | LibraryGraph:
    """The graph of a model of the library.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `neck`: on each of the maps that Detect reads.
        conv: the unit whose activation replaces the model's own.
        channels: of the image.
        model: its name in the library, with its size.

    Raises:
        InputError: the location or the model is unknown.
    """
    check_location(location, ("none", "neck"), "yolo")
    check_option("backbone yolo", "model", model, _MODELS)
    if location == "none":
        return LibraryGraph(f"{model}.yaml", channels, conv.expression())
    return gate_levels(_rows_of(model, attention, conv, channels))


def yolo_weights(word: str, location: str = "none", model: str = "yolov8s") -> dict[str, Tensor]:
    """A model after COCO, by the names of the network at a location.

    Raises:
        InputError: the word is unknown, or the file is not at hand or was never released.
    """
    check_option("backbone yolo", "weights", word, ("coco",))
    name = _MODELS[model]
    if name is None:
        raise InputError(
            f"{model} was not released with weights after COCO",
            where="params.yaml: variants: weights",
            remedy="write `weights: none`",
        )
    state = coco_state(name)
    if location == "none":
        return state
    graph = gate_levels(_rows_of(model, nn.Identity, ConvUnit(None), 3))
    return renumbered(state, graph)


def _rows_of(model: str, attention: Attention, conv: ConvUnit, channels: int) -> Graph:
    """The library's rows of a model, open to gates."""
    from ultralytics.nn.tasks import yaml_model_load

    tree = yaml_model_load(f"{model}.yaml")
    plain = (tree.get("depth_multiple", 1.0), tree.get("width_multiple", 1.0), math.inf)
    depth, width, bound = tree.get("scales", {}).get(tree["scale"], plain)
    return Graph(
        backbone=tree["backbone"],
        head=tree["head"],
        depth=depth,
        width=width,
        gate=attention,
        activation=conv.expression() or tree.get("activation"),
        channels=channels,
        max_channels=bound,
    )
