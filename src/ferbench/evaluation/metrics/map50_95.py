"""Mean average precision of boxes over IoU 0.5 to 0.95.

mean over classes of the area under precision over recall, in [0, 1], higher is better, in the COCO
definition (101 points, 100 boxes an image and class). A class without an annotated box is left out
of the mean. Detection libraries interpolate differently; never mix their figures with this one.
"""

from __future__ import annotations

from ferbench.detection.metrics import Detections, over_classes

__all__ = ["map50_95"]

HIGHER_IS_BETTER = True
INPUT = "boxes"
BOUNDS = (0.0, 1.0)


def map50_95(detections: Detections) -> float:
    """Mean average precision over IoU 0.5, 0.55, ..., 0.95.

    Args:
        detections: annotated and predicted boxes.

    >>> import pandas as pd
    >>> place = {"image_id": "a", "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    >>> row = {**place, "emotion": "fear", "score": 1.0}
    >>> boxes = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
    >>> round(map50_95(Detections(boxes, ["anger", "fear"], threshold=0.5)), 4)
    0.3
    """
    return over_classes(detections.average_precision.mean(axis=0))
