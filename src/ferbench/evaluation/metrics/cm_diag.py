"""Mean of the diagonal of the column-normalised confusion matrix of boxes.

mean over classes of faces found by a box of their class / N_c, in [0, 1], higher is better: a
macro recall, and the one figure like an accuracy that YOLO libraries print (their columns are true
classes). Which box finds which face is said in `Detections.confusion`. A class without an annotated
box is left out of the mean.
"""

from __future__ import annotations

import numpy as np

from ferbench.detection.metrics import Detections, over_classes

__all__ = ["cm_diag"]

HIGHER_IS_BETTER = True
INPUT = "boxes"
BOUNDS = (0.0, 1.0)


def cm_diag(detections: Detections) -> float:
    """Mean share of each class's faces that a box of the class found.

    Args:
        detections: annotated and predicted boxes.

    >>> import pandas as pd
    >>> place = {"image_id": "a", "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    >>> row = {**place, "emotion": "fear", "score": 1.0}
    >>> boxes = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
    >>> round(cm_diag(Detections(boxes, ["anger", "fear"], threshold=0.5)), 4)
    1.0
    """
    counts = detections.confusion[:-1]
    support = counts.sum(axis=1)
    recall = np.full(len(counts), np.nan)
    np.divide(np.diag(counts), support, out=recall, where=support > 0)
    return over_classes(recall)
