"""Any data set in YOLO form, such as a Roboflow export; its own `data.yaml` names the classes.

Source, licence, citation: those of the copy (a Roboflow export says them in README.dataset.txt).
"""

from __future__ import annotations

from ferbench.data.ingest.source import Metadata
from ferbench.data.ingest.yolo_form import YoloForm

__all__ = ["YoloExport"]


class YoloExport(YoloForm):
    """A YOLO export; option `rename` maps its class words to emotions."""

    METADATA = Metadata(
        title="A data set in YOLO form",
        citation="that of the export",
        licence="That of the export; an uploader's word need not bind the owners of the photos.",
        version="that of the export",
        images=None,
        emotions=(),
        faults="Exports mix boxes and polygons, hold copies across their splits, and may lack a "
        "class in a split: split them anew.",
        # "Emotion Recognition YOLO v11 FYP 2", version 3, Roboflow Universe, 2025-05-08.
        sha256={
            "emotion_fyp2_yolo.zip": "079bb4b7953de850444002d7fe72cd5b"
            "918798992051c722ddde7a0371d638d3"
        },
        steps="1. export the data set in a YOLO txt format; 2. set the row's `archive:` to the zip "
        "file or the folder that holds data.yaml",
    )
