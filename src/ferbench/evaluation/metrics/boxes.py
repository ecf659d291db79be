"""Metrics of a detector's boxes; which box is correct: see `ferbench.detection.matching`.

One face of fear, found by a box of its class that overlaps it by 0.6:

>>> import pandas as pd
>>> place = {"image_id": "a", "picture": 0, "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
>>> row = {**place, "emotion": "fear", "score": 1.0}
>>> rows = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
>>> found = Detections(rows, ["anger", "fear"], threshold=0.5)
>>> [round(f(found), 4) for f in (map50, map50_95, cm_diag, face_detection)]
[1.0, 0.3, 1.0, 1.0]
>>> [round(f(found), 4) for f in (precision_box, recall_box, f1_box)]
[1.0, 1.0, 1.0]

Precision, recall and F1 are read at the one score, for all classes, where the smoothed mean F1 of
the classes is greatest, as the YOLO libraries print them: the study's score threshold does not
apply. In all means over classes, a class without an annotated box is left out, and one that is
never predicted counts 0.
"""

from __future__ import annotations

import numpy as np

from ferbench.detection.metrics import Detections, over_classes
from ferbench.evaluation.scoring import metric

__all__ = [
    "cm_diag",
    "f1_box",
    "face_detection",
    "map50",
    "map50_95",
    "precision_box",
    "recall_box",
]


@metric("boxes")
def map50(detections: Detections) -> float:
    """Mean average precision of boxes at IoU 0.5.

    mean over classes of the area under precision over recall, in [0, 1], higher is better, in the
    COCO definition (101 points, 100 boxes an image and class). Detection libraries interpolate
    differently; never mix their figures with this one.
    """
    return over_classes(detections.average_precision[0])


@metric("boxes")
def map50_95(detections: Detections) -> float:
    """Mean average precision of boxes over IoU 0.5, 0.55, ..., 0.95; else as `map50`."""
    return over_classes(detections.average_precision.mean(axis=0))


@metric("boxes")
def precision_box(detections: Detections) -> float:
    """Precision of boxes at the best score, mean over classes.

    mean over classes of correct boxes / predicted boxes, in [0, 1], higher is better. Where no box
    of a class scores so high, its precision is 1, as in the YOLO libraries.
    """
    return over_classes(detections.best.precision)


@metric("boxes")
def recall_box(detections: Detections) -> float:
    """Recall of boxes at the best score, mean over classes.

    mean over classes of correct boxes / annotated boxes, in [0, 1], higher is better.
    """
    return over_classes(detections.best.recall)


@metric("boxes")
def f1_box(detections: Detections) -> float:
    """F1 of boxes at the best score, mean over classes.

    mean over classes of 2 P R / (P + R), P and R of the class, in [0, 1], higher is better. Not the
    same as 2 P R / (P + R) of the mean precision and the mean recall, which some papers print.
    """
    return over_classes(detections.best.f1)


@metric("boxes")
def cm_diag(detections: Detections) -> float:
    """Mean of the diagonal of the column-normalised confusion matrix of boxes.

    mean over classes of faces found by a box of their class / N_c, in [0, 1], higher is better: a
    macro recall, and the one figure like an accuracy that YOLO libraries print (their columns are
    true classes).
    """
    counts = detections.confusion[:-1]
    support = counts.sum(axis=1)
    recall = np.full(len(counts), np.nan)
    np.divide(np.diag(counts), support, out=recall, where=support > 0)
    return over_classes(recall)


@metric("boxes")
def face_detection(detections: Detections) -> float:
    """Share of faces that a box finds, whatever its class.

    faces with at least one box of any class that scores at least the study's threshold and overlaps
    the face by at least a half / N, in [0, 1], higher is better; 0 if nothing is annotated. Unlike
    coverage, which takes the highest box of an image with one face wherever it is, this asks where.
    """
    return detections.found() / max(len(detections.truth), 1)
