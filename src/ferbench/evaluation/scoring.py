"""From probability rows to labels, counts and answers that are sure enough.

A row of zeros is a miss: a face that a detector gave no answer for. It is wrong whatever the truth.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench import plugins
from ferbench.artifacts.predictions import arrays, classes_of
from ferbench.artifacts.results import FACES
from ferbench.detection.metrics import Detections

__all__ = [
    "ANY",
    "MISS",
    "Predictions",
    "class_recall",
    "confusion",
    "higher_is_better",
    "predicted",
    "score_predictions",
    "sure_enough",
    "thresholded",
    "unit_scores",
]

MISS = -1


def predicted(prob: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) index of the likeliest class of each row of `prob` (N, C); `MISS` for a row of zeros.

    >>> predicted(np.array([[0.2, 0.8], [0.0, 0.0]])).tolist()
    [1, -1]
    """
    label = np.asarray(prob.argmax(axis=1), dtype=np.int64)
    label[~prob.any(axis=1)] = MISS
    return label


def confusion(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """(C, C + 1) counts, a row a true class, a column a predicted one; the last column is misses.

    >>> confusion(np.array([[0.2, 0.8], [0.0, 0.0]]), np.array([1, 1])).tolist()
    [[0, 0, 0], [0, 1, 1]]
    """
    classes = prob.shape[1]
    counts = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(counts, (target, predicted(prob)), 1)  # MISS, being -1, is the last column
    return counts


def unit_scores(boxes: pd.DataFrame) -> dict[str, float]:
    """Score of the box that answers for each labelled face, by unit id.

    A unit is an image with one annotated face (its id is the image's), or one face of several
    (`<image_id>#<face>`). A face without an answering box is not in the result.
    """
    faces = boxes.loc[boxes["truth"]].groupby("image_id")["face"].nunique().to_dict()
    answers = boxes.loc[~boxes["truth"] & (boxes["face"] >= 0)]
    best = answers.groupby(["image_id", "face"], as_index=False)["score"].max()
    return {
        image if faces.get(image, 1) == 1 else f"{image}#{face}": score
        for image, face, score in best.itertuples(index=False)
    }


def sure_enough(
    predictions: pd.DataFrame, boxes: pd.DataFrame, threshold: float
) -> NDArray[np.bool_]:
    """(N,) whether each row of `predictions` has an answering box of at least `threshold`."""
    score = predictions["image_id"].map(unit_scores(boxes)).fillna(-np.inf)
    return np.asarray(score >= threshold, dtype=np.bool_)


# MERGED from ferbench.evaluation.scoring:
# From one model's stored answers to its numbers; the one place where metrics meet predictions.


_METRICS = "ferbench.evaluation.metrics"
# Accuracy without a score threshold; for a classifier it is the accuracy.
ANY = "accuracy_any"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one network said of one subset, and what several numbers take from it, computed once.

    Args:
        predictions: rows of `predictions.parquet`.
        boxes: rows of `boxes.parquet`.
        threshold: least score of a detector's box; None for a classifier, which has no box metrics.
    """

    predictions: pd.DataFrame
    boxes: pd.DataFrame
    threshold: float | None

    @property
    def classes(self) -> list[str]:
        """All classes, in canonical order."""
        return classes_of(self.predictions)

    @cached_property
    def target(self) -> NDArray[np.int64]:
        """(N,) indices of the true classes."""
        return arrays(self.predictions)[1]

    @cached_property
    def raw(self) -> NDArray[np.float64]:
        """(N, C) probabilities without a score threshold."""
        return arrays(self.predictions)[0]

    @cached_property
    def sure(self) -> NDArray[np.float64]:
        """(N, C) probabilities at the threshold."""
        return self.raw if self.threshold is None else self.at(self.threshold)

    @cached_property
    def detections(self) -> Detections | None:
        """The boxes of a detector."""
        if self.threshold is None:
            return None
        return Detections(self.boxes, self.classes, self.threshold)

    def at(self, threshold: float) -> NDArray[np.float64]:
        """(N, C) probabilities at another threshold; a classifier's are always the same."""
        if self.threshold is None or threshold == 0:
            return self.raw
        return np.where(
            sure_enough(self.predictions, self.boxes, threshold)[:, None], self.raw, 0.0
        )


def thresholded(
    predictions: pd.DataFrame, boxes: pd.DataFrame, threshold: float | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (N, C) and targets (N,) of a detector that keeps quiet when unsure.

    A face whose answering box scores below `threshold` becomes a miss: its row is zeroed. Without a
    threshold, as for a classifier, rows stay as they are.
    """
    prob, target = arrays(predictions)
    if threshold is None:
        return prob, target
    return np.where(sure_enough(predictions, boxes, threshold)[:, None], prob, 0.0), target


def score_predictions(answers: Predictions, metrics: Sequence[str]) -> dict[str, float]:
    """All metrics that apply, by name, then `accuracy_any` and the number of `faces`.

    Args:
        answers: of one network on one subset.
        metrics: files of `ferbench.evaluation.metrics`, which say how they are called.
    """
    values: dict[str, float] = {}
    for name in metrics:
        metric, about = _metric(name)
        if about.INPUT == "prob":
            other = getattr(about, "THRESHOLD", None)
            prob = answers.sure if other is None else answers.at(other)
            values[name] = float(metric(prob, answers.target))
        elif answers.detections is not None:
            values[name] = float(metric(answers.detections))
    values[ANY] = float((predicted(answers.raw) == answers.target).mean())
    values[FACES] = float(len(answers.target))
    return values


@cache
def _metric(name: str) -> tuple[Any, ModuleType]:
    """A metric and its module, looked up once."""
    metric = plugins.load(_METRICS, name)
    return metric, importlib.import_module(metric.__module__)


def higher_is_better(name: str) -> bool:
    """What a row of `results.csv` says of itself; the numbers that are no metric's grow better."""
    if name not in plugins.names(_METRICS):
        return True
    return bool(importlib.import_module(f"{_METRICS}.{name}").HIGHER_IS_BETTER)


def class_recall(
    predictions: pd.DataFrame, boxes: pd.DataFrame, threshold: float | None
) -> dict[str, float]:
    """Share of each class's faces that are recognised; a class without faces is left out.

    Args:
        predictions: rows of `predictions.parquet`.
        boxes: rows of `boxes.parquet`.
        threshold: least score of a detector's box; None for a classifier.
    """
    counts = confusion(*thresholded(predictions, boxes, threshold))
    support = counts.sum(axis=1)
    return {
        emotion: float(counts[index, index] / support[index])
        for index, emotion in enumerate(classes_of(predictions))
        if support[index]
    }
