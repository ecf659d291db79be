"""LLD, the second data set of paper P2 (YOLO-FER), in YOLO form.

Source: P2, doi 10.11999/JEIT250936, table 1: 10,748 samples in six classes, none of fear. No public
download is known; this file reads a copy in YOLO form.
"""

from __future__ import annotations

from ferbench.data.ingest.source import Metadata
from ferbench.data.ingest.yolo_form import YoloForm

__all__ = ["LLD"]


class LLD(YoloForm):
    """LLD; option `rename` maps class words to emotions."""

    METADATA = Metadata(
        title="LLD (data set of the YOLO-FER paper)",
        citation="Facial Expression Recognition Model based on Improved YOLO12n (YOLO-FER), "
        "doi 10.11999/JEIT250936",
        licence="No terms are published; ask the authors.",
        version="as in table 1 of the paper",
        images=10_748,
        emotions=("neutral", "happiness", "surprise", "sadness", "anger", "disgust"),
        faults="No fear. Not public, so its faults are not known.",
        archives=("lld.zip",),
        alternatives={"lld.zip": ("LLD.zip", "lld", "LLD")},
        steps="1. ask the paper's authors for the data set; 2. put it in YOLO form as lld.zip into "
        "the folder that FERBENCH_DATA names, or set the row's `archive:` to it",
    )
