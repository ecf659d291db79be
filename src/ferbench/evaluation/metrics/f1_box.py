"""F1 of boxes at the best score, mean over classes.

mean over classes of 2 P R / (P + R), P and R of the class, in [0, 1], higher is better.
A box is right if it is of the face's class and overlaps it by at least a half; of several, the one
with the highest score.
Read at the one score, for all classes, where the smoothed mean F1 of the classes is greatest, as
the YOLO libraries print it: the study's score threshold has no say. A class without an annotated
box is left out of the mean; one that is never answered counts 0. Not the same as 2 P R / (P + R)
of the mean precision and the mean recall, which some papers print.
"""

from __future__ import annotations

from ferbench.detection.metrics import Detections, over_classes

__all__ = ["f1_box"]

HIGHER_IS_BETTER = True
INPUT = "boxes"
BOUNDS = (0.0, 1.0)


def f1_box(detections: Detections) -> float:
    """Mean F1 where it is best.

    Args:
        detections: annotated and predicted boxes.

    >>> import pandas as pd
    >>> place = {"image_id": "a", "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    >>> row = {**place, "emotion": "fear", "score": 1.0}
    >>> boxes = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
    >>> round(f1_box(Detections(boxes, ["anger", "fear"], threshold=0.5)), 4)
    1.0
    """
    return over_classes(detections.best.f1)
