"""What metrics of boxes share: average precision, and precision, recall and F1 at the best score.

Average precision is that of COCO, by faster-coco-eval: greedy matching by score, 101-point
interpolation, at most 100 boxes of an image and class. Source: Lin et al., "Microsoft COCO: Common
Objects in Context", ECCV 2014, and its evaluation code.

Precision, recall and F1 are read at the score where their mean over classes is best, as papers on
YOLO print them. Source: the evaluation code of Ultralytics YOLOv5 and its successors (function
`ap_per_class`): curves over 1000 scores from 0 to 1, F1 averaged over classes and smoothed with a
box of a tenth, read at its maximum. Differs: boxes are matched to faces by falling score, as for
average precision, where the first versions of that code took pairs by falling overlap; and of equal
scores the order is kept, so that the numbers do not depend on the sorting algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from ferbench.detection.matching import (
    CONFUSION_IOU,
    CONFUSION_SCORE,
    MIN_IOU,
    one_to_one,
    pairs_of,
)

__all__ = ["Detections", "Point", "average_precision", "best_point", "over_classes"]

# IoU thresholds of the COCO definition: 0.5, 0.55, ..., 0.95.
_OVERLAPS = tuple(np.linspace(0.5, 0.95, 10))
_SCORES = np.linspace(0, 1, 1000)
_SMOOTHING = 101  # scores, a tenth of all, odd


@dataclass(frozen=True)
class Point:
    """Values at one score, by class (K,); NaN for a class without an annotated box.

    Args:
        precision: correct boxes over boxes; 1 if no box of the class scores so high, 0 if the class
            is never predicted.
        recall: correct boxes over annotated ones.
        f1: their harmonic mean.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Detections:
    """The annotated and the predicted boxes of some images, and what several metrics need of them.

    Args:
        boxes: rows of `boxes.parquet`.
        classes: all K classes, in canonical order.
        threshold: least score of a box that counts as a prediction.
    """

    boxes: pd.DataFrame
    classes: Sequence[str]
    threshold: float

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The annotated boxes, numbered from 0."""
        return self.boxes.loc[self.boxes["truth"]].reset_index(drop=True)

    @cached_property
    def predicted(self) -> pd.DataFrame:
        """The predicted boxes, numbered from 0."""
        return self.boxes.loc[~self.boxes["truth"]].reset_index(drop=True)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Rows of `predicted` and of `truth` that overlap, as `pairs_of` gives them."""
        return pairs_of(self.predicted, self.truth)

    @cached_property
    def average_precision(self) -> NDArray[np.float64]:
        """(10, K) by IoU threshold, 0.5 first, and class; NaN without an annotated box."""
        return average_precision(self.boxes, self.classes, _OVERLAPS)

    @cached_property
    def best(self) -> Point:
        """Precision, recall and F1 of each class, where their mean F1 at IoU 0.5 is best."""
        predicted = self.predicted["emotion"].to_numpy()
        truth = self.truth["emotion"].to_numpy()
        near = self.pairs[self.pairs["iou"] >= MIN_IOU]
        same = near[predicted[near["box"]] == truth[near["face"]]]
        correct = np.zeros(len(predicted), dtype=bool)
        correct[one_to_one(same)["box"]] = True
        score = self.predicted["score"].to_numpy(float)
        return best_point(score, correct, predicted, truth, self.classes)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(K + 1, K + 1) counts by class of the face and class of the box; last is background.

        The transposed matrix of YOLO libraries: boxes are matched with faces whatever their class.
        The last column counts faces without a box, the last row boxes without a face. The first
        versions of those libraries took pairs by falling overlap instead of falling score.
        """
        number = {word: index for index, word in enumerate(self.classes)}
        background = len(number)
        near = (self.pairs["score"] >= CONFUSION_SCORE) & (self.pairs["iou"] >= CONFUSION_IOU)
        found = one_to_one(self.pairs[near])
        target = self.truth["emotion"].map(number).to_numpy(np.int64)
        predicted = self.predicted["emotion"].map(number)
        of_face = np.full(len(target), background)
        of_face[found["face"]] = predicted.loc[found["box"]]
        counts = np.zeros((background + 1, background + 1), dtype=np.int64)
        np.add.at(counts, (target, of_face), 1)
        counted = self.predicted["score"] >= CONFUSION_SCORE
        alone = predicted[counted & ~predicted.index.isin(found["box"])]
        np.add.at(counts[background], alone.to_numpy(np.int64), 1)
        return counts

    def found(self) -> int:
        """Number of annotated boxes that a box of at least the threshold found, of any class."""
        near = (self.pairs["score"] >= self.threshold) & (self.pairs["iou"] >= MIN_IOU)
        return self.pairs.loc[near, "face"].nunique()


def average_precision(
    boxes: pd.DataFrame, classes: Sequence[str], overlaps: Sequence[float]
) -> NDArray[np.float64]:
    """Average precision of every class at every IoU threshold.

    Args:
        boxes: rows of `boxes.parquet`, annotated and predicted.
        classes: all K classes.
        overlaps: T thresholds of IoU from which a box counts as found.

    Returns:
        (T, K) fractions; NaN for a class without an annotated box.
    """
    is_truth = boxes["truth"].to_numpy(bool)
    truth, predicted = boxes.loc[is_truth], boxes.loc[~is_truth]
    if truth.empty or predicted.empty:
        nothing = np.where(np.isin(classes, truth["emotion"]), 0.0, np.nan)
        return np.tile(nothing, (len(overlaps), 1))
    rows = _coco_rows(boxes, classes)
    annotated = COCO(_annotations(rows[is_truth], classes, int(rows[:, 0].max())))
    detections = np.column_stack([rows[~is_truth, :5], predicted["score"], rows[~is_truth, 5]])
    evaluation = COCOeval_faster(annotated, annotated.loadRes(detections), iouType="bbox")
    evaluation.params.iouThrs = np.asarray(overlaps)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0.0, 1e10]], ["all"]
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"]  # (IoU, recall, class, area, boxes); -1 without truth
    mean: NDArray[np.float64] = precision[..., 0, 0].mean(axis=1)
    return np.where(mean > -1, mean, np.nan)


def _coco_rows(boxes: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """(N, 6) number of the picture from 1, left, top, width, height, number of the class from 1."""
    picture = boxes.groupby(["image_id", "picture"]).ngroup() + 1
    width, height = boxes["right"] - boxes["left"], boxes["bottom"] - boxes["top"]
    number = boxes["emotion"].map({name: number for number, name in enumerate(classes, 1)})
    columns = [picture, boxes["left"], boxes["top"], width, height, number]
    return np.column_stack(columns).astype(np.float64)


def _annotations(
    rows: NDArray[np.float64], classes: Sequence[str], pictures: int
) -> dict[str, Any]:
    """The annotated boxes as a COCO tree."""
    return {
        "images": [{"id": number} for number in range(1, pictures + 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": int(row[0]),
                "category_id": int(row[5]),
                "bbox": row[1:5].tolist(),
                "area": float(row[3] * row[4]),
                "iscrowd": 0,
            }
            for number, row in enumerate(rows, 1)
        ],
    }


def best_point(
    score: NDArray[np.float64],
    correct: NDArray[np.bool_],
    predicted: NDArray[np.object_],
    truth: NDArray[np.object_],
    classes: Sequence[str],
) -> Point:
    """Read the curves where the smoothed mean F1 is greatest.

    Args:
        score: (N,) of the predicted boxes.
        correct: (N,) whether each found a face of its class.
        predicted: (N,) their emotions.
        truth: (F,) emotions of the annotated boxes.
        classes: all K classes.
    """
    curves = np.full((2, len(classes), len(_SCORES)), np.nan)  # precision, recall
    for number, word in enumerate(classes):
        if faces := int((truth == word).sum()):
            own = predicted == word
            curves[:, number] = _curves(score[own], correct[own], faces)
    precision, recall = curves
    f1 = 2 * precision * recall / (precision + recall + 1e-16)
    present = ~np.isnan(f1[:, 0])
    where = int(_smooth(f1[present].mean(axis=0)).argmax()) if present.any() else 0
    return Point(precision[:, where], recall[:, where], f1[:, where])


def _curves(
    score: NDArray[np.float64], correct: NDArray[np.bool_], faces: int
) -> NDArray[np.float64]:
    """(2, S) precision and recall of one class over the scores from 0 to 1."""
    if not len(score):
        return np.zeros((2, len(_SCORES)))
    order = np.argsort(-score, kind="stable")
    found = correct[order].cumsum()
    at = -score[order]  # rising, as interpolation wants it
    precision = np.interp(-_SCORES, at, found / np.arange(1, len(found) + 1), left=1)
    return np.stack([precision, np.interp(-_SCORES, at, found / faces, left=0)])


def _smooth(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over neighbouring scores; beyond its ends the curve keeps its last value."""
    padded = np.pad(curve, _SMOOTHING // 2, mode="edge")
    return np.convolve(padded, np.ones(_SMOOTHING) / _SMOOTHING, mode="valid")


def over_classes(values: NDArray[np.float64]) -> float:
    """Mean over the classes that have a value; 0 if none has.

    >>> over_classes(np.array([1.0, np.nan, 0.5]))
    0.75
    """
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else 0.0
