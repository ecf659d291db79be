"""Average precision of boxes in the COCO definition, by faster-coco-eval.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code:
greedy matching by score, 101-point interpolation, at most 100 boxes of an image and class.
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

from ferbench.detection.matching import one_to_one, pairs_of

__all__ = ["Detections", "Point", "average_precision", "best_point", "over_classes"]


def average_precision(
    boxes: pd.DataFrame, classes: Sequence[str], overlaps: Sequence[float]
) -> NDArray[np.float64]:
    """Average precision of every class at every IoU threshold.

    Args:
        boxes: rows of `boxes.parquet`, annotated and predicted.
        classes: all classes.
        overlaps: thresholds of IoU from which a box counts as found.

    Returns:
        (T, K) fractions; NaN for a class without an annotated box.
    """
    truth, answers = boxes.loc[boxes["truth"]], boxes.loc[~boxes["truth"]]
    if truth.empty or answers.empty:
        nothing = np.where(np.isin(classes, truth["emotion"]), 0.0, np.nan)
        return np.tile(nothing, (len(overlaps), 1))
    images = {name: number for number, name in enumerate(sorted(boxes["image_id"].unique()), 1)}
    annotated = COCO(_annotations(truth, images, classes))
    detections = np.column_stack(
        [_places(answers, images), answers["score"], _numbers(answers, classes)]
    )  # (N, 7), the columns that loadRes expects
    evaluation = COCOeval_faster(annotated, annotated.loadRes(detections), iouType="bbox")
    evaluation.params.iouThrs = np.asarray(overlaps)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0.0, 1e10]], ["all"]
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"]  # (IoU, recall, class, area, boxes); -1 without truth
    mean: NDArray[np.float64] = precision[..., 0, 0].mean(axis=1)
    return np.where(mean > -1, mean, np.nan)


def _places(boxes: pd.DataFrame, images: dict[str, int]) -> NDArray[np.float64]:
    """(N, 5) image number, left, top, width, height."""
    width, height = boxes["right"] - boxes["left"], boxes["bottom"] - boxes["top"]
    number = boxes["image_id"].map(images)
    return np.column_stack([number, boxes["left"], boxes["top"], width, height]).astype(np.float64)


def _numbers(boxes: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    """(N,) number of each box's class, from 1."""
    numbers = {name: number for number, name in enumerate(classes, 1)}
    return np.asarray(boxes["emotion"].map(numbers), dtype=np.int64)


def _annotations(
    truth: pd.DataFrame, images: dict[str, int], classes: Sequence[str]
) -> dict[str, Any]:
    """The annotated boxes as a COCO tree."""
    rows = zip(_places(truth, images), _numbers(truth, classes), strict=True)
    return {
        "images": [{"id": number} for number in images.values()],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": int(box[0]),
                "category_id": int(category),
                "bbox": box[1:].tolist(),
                "area": float(box[3] * box[4]),
                "iscrowd": 0,
            }
            for number, (box, category) in enumerate(rows, 1)
        ],
    }


# MERGED from ferbench.detection.metrics:
# Precision, recall and F1 of boxes at the score where their mean over classes is best.
#
# Source: the evaluation code of Ultralytics YOLOv5 and its successors (function `ap_per_class`), from
# which the papers on YOLO print P, R and F1: curves over 1000 scores from 0 to 1, F1 averaged over
# classes and smoothed with a box of a tenth, read at its maximum.
# Differs: boxes are matched to faces by falling score, as for average precision; the first versions
# of that code took pairs by falling overlap.


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


# MERGED from ferbench.detection.metrics:
# What a detector said of some images, and what its box metrics share, each computed once.


# IoU thresholds of the COCO definition: 0.5, 0.55, ..., 0.95.
_OVERLAPS = tuple(np.linspace(0.5, 0.95, 10))
_FOUND = 0.5  # IoU from which a box has found a face
# Least score and overlap of the confusion matrix of boxes.
_COUNTED, _NEAR = 0.25, 0.45


@dataclass(frozen=True, eq=False)
class Detections:
    """The annotated and the predicted boxes of some images.

    Args:
        boxes: rows of `boxes.parquet`.
        classes: all K classes, in canonical order.
        threshold: least score of a box that counts as an answer.
    """

    boxes: pd.DataFrame
    classes: Sequence[str]
    threshold: float

    @cached_property
    def truth(self) -> pd.DataFrame:
        """The annotated boxes, numbered from 0."""
        return self.boxes.loc[self.boxes["truth"]].reset_index(drop=True)

    @cached_property
    def said(self) -> pd.DataFrame:
        """The predicted boxes, numbered from 0."""
        return self.boxes.loc[~self.boxes["truth"]].reset_index(drop=True)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Rows of `said` and of `truth` that overlap, as `pairs_of` gives them."""
        return pairs_of(self.said, self.truth)

    @cached_property
    def average_precision(self) -> NDArray[np.float64]:
        """(10, K) by IoU threshold, 0.5 first, and class; NaN without an annotated box."""
        return average_precision(self.boxes, self.classes, _OVERLAPS)

    @cached_property
    def best(self) -> Point:
        """Precision, recall and F1 of each class, where their mean F1 at IoU 0.5 is best."""
        said, truth = self.said["emotion"].to_numpy(), self.truth["emotion"].to_numpy()
        near = self.pairs[self.pairs["iou"] >= _FOUND]
        same = near[said[near["box"]] == truth[near["face"]]]
        right = np.zeros(len(said), dtype=bool)
        right[one_to_one(same)["box"]] = True
        return best_point(self.said["score"].to_numpy(float), right, said, truth, self.classes)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(K + 1, K + 1) counts by class of the face and class of the box; last is background.

        The matrix that YOLO libraries print, turned: boxes score at least 0.25 and overlap the face
        by at least 0.45; by falling score each takes the free face that it overlaps most, whatever
        its class. The last column counts faces without a box, the last row boxes without a face.
        The first versions of those libraries took pairs by falling overlap instead.
        """
        number = {word: index for index, word in enumerate(self.classes)}
        background = len(number)
        fit = (self.pairs["score"] >= _COUNTED) & (self.pairs["iou"] >= _NEAR)
        found = one_to_one(self.pairs[fit])
        target = self.truth["emotion"].map(number).to_numpy(np.int64)
        said = self.said["emotion"].map(number)
        answer = np.full(len(target), background)
        answer[found["face"]] = said.loc[found["box"]]
        counts = np.zeros((background + 1, background + 1), dtype=np.int64)
        np.add.at(counts, (target, answer), 1)
        alone = said[(self.said["score"] >= _COUNTED) & ~said.index.isin(found["box"])]
        np.add.at(counts[background], alone.to_numpy(np.int64), 1)
        return counts

    def found(self) -> int:
        """Number of annotated boxes that a box of at least the threshold found, of any class."""
        fit = (self.pairs["score"] >= self.threshold) & (self.pairs["iou"] >= _FOUND)
        return self.pairs.loc[fit, "face"].nunique()


def over_classes(values: NDArray[np.float64]) -> float:
    """Mean over the classes that have a value; 0 if none has.

    >>> over_classes(np.array([1.0, np.nan, 0.5]))
    0.75
    """
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else 0.0
