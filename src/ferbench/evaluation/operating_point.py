"""Precision, recall and F1 of boxes at the score where their mean over classes is best.

Source: the evaluation code of Ultralytics YOLOv5 and its successors (function `ap_per_class`), from
which the papers on YOLO print P, R and F1: curves over 1000 scores from 0 to 1, F1 averaged over
classes and smoothed with a box of a tenth, read at its maximum.
Differs: boxes are matched to faces by falling score, as for average precision; the first versions
of that code took pairs by falling overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Point", "best_point"]

_SCORES = np.linspace(0, 1, 1000)
_SMOOTHING = 101  # scores, a tenth of all, odd


@dataclass(frozen=True)
class Point:
    """What is read at one score, by class (K,); NaN for a class without an annotated box.

    Args:
        score: where it is read.
        precision: right boxes over boxes; 1 if no box of the class scores so high, 0 if the class
            is never answered.
        recall: right boxes over annotated ones.
        f1: their harmonic mean.
    """

    score: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def best_point(
    score: NDArray[np.float64],
    right: NDArray[np.bool_],
    said: NDArray[np.object_],
    truth: NDArray[np.object_],
    classes: Sequence[str],
) -> Point:
    """Read the curves where the smoothed mean F1 is greatest.

    Args:
        score: (N,) of the predicted boxes.
        right: (N,) whether each found a face of its class.
        said: (N,) their emotions.
        truth: (F,) emotions of the annotated boxes.
        classes: all K classes.
    """
    curves = np.full((2, len(classes), len(_SCORES)), np.nan)  # precision, recall
    for number, word in enumerate(classes):
        if faces := int((truth == word).sum()):
            own = said == word
            curves[:, number] = _curves(score[own], right[own], faces)
    precision, recall = curves
    f1 = 2 * precision * recall / (precision + recall + 1e-16)
    present = ~np.isnan(f1[:, 0])
    where = int(_smooth(f1[present].mean(axis=0)).argmax()) if present.any() else 0
    return Point(float(_SCORES[where]), precision[:, where], recall[:, where], f1[:, where])


def _curves(
    score: NDArray[np.float64], right: NDArray[np.bool_], faces: int
) -> NDArray[np.float64]:
    """(2, S) precision and recall of one class over the scores from 0 to 1."""
    if not len(score):
        return np.zeros((2, len(_SCORES)))
    order = np.argsort(-score, kind="stable")
    found = right[order].cumsum()
    at = -score[order]  # rising, as interpolation wants it
    precision = np.interp(-_SCORES, at, found / np.arange(1, len(found) + 1), left=1)
    return np.stack([precision, np.interp(-_SCORES, at, found / faces, left=0)])


def _smooth(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over neighbouring scores; beyond the ends the curve goes on level."""
    padded = np.pad(curve, _SMOOTHING // 2, mode="edge")
    return np.convolve(padded, np.ones(_SMOOTHING) / _SMOOTHING, mode="valid")
