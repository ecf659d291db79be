"""Mean average precision of boxes at IoU 0.5.

mean over classes of the area under precision over recall, in [0, 1], higher is better, in the COCO
definition (101 points, 100 boxes an image and class). A class without an annotated box is left out
of the mean. Detection libraries interpolate differently; never mix their figures with this one.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ferbench.evaluation.coco import mean_average_precision

__all__ = ["map50"]

HIGHER_IS_BETTER = True
INPUT = "boxes"
BOUNDS = (0.0, 1.0)

_OVERLAPS = (0.5,)


def map50(boxes: pd.DataFrame, classes: Sequence[str]) -> float:
    """Mean average precision at IoU 0.5.

    Args:
        boxes: rows of `boxes.parquet`, annotated (`truth`) and predicted.
        classes: all classes in canonical order.

    >>> place = {"image_id": "a", "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    >>> row = {**place, "emotion": "fear", "score": 1.0}
    >>> boxes = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
    >>> round(map50(boxes, ["anger", "fear"]), 4)
    1.0
    """
    return mean_average_precision(boxes, classes, _OVERLAPS)
