"""What a detector said of some images, and what its box metrics share, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.evaluation.coco import average_precision
from ferbench.evaluation.operating_point import Point, best_point
from ferbench.evaluation.pairing import one_to_one, pairs_of

__all__ = ["Detections", "over_classes"]

# IoU thresholds of the COCO definition: 0.5, 0.55, ..., 0.95.
_OVERLAPS = tuple(np.linspace(0.5, 0.95, 10))
_FOUND = 0.5  # IoU from which a box has found a face


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

    def confusion(self, least_score: float, least_iou: float) -> NDArray[np.int64]:
        """(K, K + 1) annotated boxes by class and by the class of the box that found them.

        The last column counts those that no box found.
        """
        number = {word: index for index, word in enumerate(self.classes)}
        fit = (self.pairs["score"] >= least_score) & (self.pairs["iou"] >= least_iou)
        found = one_to_one(self.pairs[fit])
        target = self.truth["emotion"].map(number).to_numpy(np.int64)
        answer = np.full(len(target), len(number))
        answer[found["face"]] = self.said["emotion"].map(number).loc[found["box"]]
        counts = np.zeros((len(number), len(number) + 1), dtype=np.int64)
        np.add.at(counts, (target, answer), 1)
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
