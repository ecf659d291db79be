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
