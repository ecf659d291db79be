"""Recall of boxes at the best score, mean over classes.

mean over classes of right boxes / annotated boxes, in [0, 1], higher is better.
A box is right if it is of the face's class and overlaps it by at least a half; of several, the one
with the highest score.
Read at the one score, for all classes, where the smoothed mean F1 of the classes is greatest, as
the YOLO libraries print it: the study's score threshold has no say. A class without an annotated
box is left out of the mean; one that is never answered counts 0.
"""

from __future__ import annotations

from ferbench.detection.metrics import Detections, over_classes

__all__ = ["recall_box"]

HIGHER_IS_BETTER = True
INPUT = "boxes"
BOUNDS = (0.0, 1.0)


def recall_box(detections: Detections) -> float:
    """Mean recall where the mean F1 is best.

    Args:
        detections: annotated and predicted boxes.

    >>> import pandas as pd
    >>> place = {"image_id": "a", "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    >>> row = {**place, "emotion": "fear", "score": 1.0}
    >>> boxes = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
    >>> round(recall_box(Detections(boxes, ["anger", "fear"], threshold=0.5)), 4)
    1.0
    """
    return over_classes(detections.best.recall)
