"""What a metric declares, and the scores of one network's predictions on one subset.

A metric is a function of a file of `ferbench.evaluation.metrics`, declared by `@metric(...)`. One
that reads `prob` is called with probabilities (N, C) of N labelled faces and their true classes
(N,), where a row of zeros is a miss; one that reads `boxes` with a
`ferbench.detection.metrics.Detections`, which only detectors have.

A detector predicts nothing below the study's score threshold: faces whose box scores less are
misses. A metric of `prob` may declare another threshold; at 0, which metrics of ranking and of the
probabilities themselves declare, only a face without any box is a miss. A classifier has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench import plugins
from ferbench.artifacts.predictions import FACE_KEY, arrays, classes_of, predicted
from ferbench.artifacts.results import FACES
from ferbench.detection.metrics import Detections

__all__ = [
    "ANY",
    "Metric",
    "Predictions",
    "class_recall",
    "confusion",
    "face_scores",
    "higher_is_better",
    "metric",
    "metric_info",
    "score_predictions",
]

_METRICS = "ferbench.evaluation.metrics"
# Accuracy without a score threshold; a classifier's is its accuracy.
ANY = "accuracy_any"

_Function = TypeVar("_Function", bound=Callable[..., float])


@dataclass(frozen=True)
class Metric:
    """What a metric declares.

    Args:
        reads: `prob` or `boxes`.
        higher_is_better: its direction.
        bounds: the least and the greatest value there can be. A value that the data do not define,
            such as the AUROC of one class alone, is NaN, and an empty field in every table.
        threshold: of scores; None for the study's.
    """

    reads: Literal["prob", "boxes"] = "prob"
    higher_is_better: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    threshold: float | None = None


def metric(
    reads: Literal["prob", "boxes"] = "prob",
    *,
    higher_is_better: bool = True,
    bounds: tuple[float, float] = (0.0, 1.0),
    threshold: float | None = None,
) -> Callable[[_Function], _Function]:
    """Declare a function as a metric; the arguments are the fields of `Metric`."""
    info = Metric(reads, higher_is_better, bounds, threshold)

    def declare(function: _Function) -> _Function:
        function.metric = info  # type: ignore[attr-defined]
        return function

    return declare


def metric_info(name: str) -> Metric:
    """What a metric of `ferbench.evaluation.metrics` declares.

    The other numbers of `results.csv`, which count faces, have the defaults.
    """
    if name not in plugins.names(_METRICS):
        return Metric()
    info: Metric = plugins.load(_METRICS, name).metric
    return info


def higher_is_better(name: str) -> bool:
    """The direction of a number of `results.csv`."""
    return metric_info(name).higher_is_better


@dataclass(frozen=True, eq=False)
class Predictions:
    """One network's predictions on one subset, and what several metrics need, computed once.

    Args:
        table: rows of `predictions.parquet`.
        boxes: rows of `boxes.parquet`.
        threshold: least score of a detector's box; None for a classifier, which has no box metrics.
    """

    table: pd.DataFrame
    boxes: pd.DataFrame
    threshold: float | None

    @property
    def classes(self) -> list[str]:
        """All classes, in canonical order."""
        return classes_of(self.table)

    @cached_property
    def target(self) -> NDArray[np.int64]:
        """(N,) indices of the true classes."""
        return arrays(self.table)[1]

    @cached_property
    def prob(self) -> NDArray[np.float64]:
        """(N, C) probabilities without a score threshold."""
        return arrays(self.table)[0]

    @cached_property
    def thresholded(self) -> NDArray[np.float64]:
        """(N, C) probabilities at the threshold."""
        return self.prob if self.threshold is None else self.at(self.threshold)

    @cached_property
    def detections(self) -> Detections | None:
        """The boxes of a detector."""
        if self.threshold is None:
            return None
        return Detections(self.boxes, self.classes, self.threshold)

    def at(self, threshold: float) -> NDArray[np.float64]:
        """(N, C) probabilities, zeros for faces whose box scores below another threshold."""
        if self.threshold is None or threshold == 0:
            return self.prob
        return np.where((self._score >= threshold)[:, None], self.prob, 0.0)

    @cached_property
    def _score(self) -> NDArray[np.float64]:
        """(N,) score of each face's box; minus infinity for a face without one."""
        faces = pd.MultiIndex.from_frame(self.table[FACE_KEY])
        return face_scores(self.boxes).reindex(faces).fillna(-np.inf).to_numpy(np.float64)


def face_scores(boxes: pd.DataFrame) -> pd.Series:
    """Score of the box that is the prediction for each face, by image_id and face.

    A face without such a box is not in the result.
    """
    assigned = boxes.loc[~boxes["truth"] & (boxes["face"] >= 0)]
    return assigned.groupby(FACE_KEY)["score"].max()


def confusion(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """(C, C + 1) counts, a row a true class, a column a predicted one; the last column is misses.

    >>> confusion(np.array([[0.2, 0.8], [0.0, 0.0]]), np.array([1, 1])).tolist()
    [[0, 0, 0], [0, 1, 1]]
    """
    classes = prob.shape[1]
    counts = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(counts, (target, predicted(prob)), 1)  # MISS, being -1, is the last column
    return counts


def class_recall(predictions: Predictions) -> dict[str, float]:
    """Share of each class's faces that are recognised; a class without faces is left out."""
    counts = confusion(predictions.thresholded, predictions.target)
    support = counts.sum(axis=1)
    return {
        emotion: float(counts[index, index] / support[index])
        for index, emotion in enumerate(predictions.classes)
        if support[index]
    }


def score_predictions(predictions: Predictions, metrics: Sequence[str]) -> dict[str, float]:
    """All metrics that apply, by name, then `accuracy_any` and the number of `faces`.

    Args:
        predictions: of one network on one subset.
        metrics: names in `ferbench.evaluation.metrics`.
    """
    values: dict[str, float] = {}
    for name in metrics:
        function = plugins.load(_METRICS, name)
        info: Metric = function.metric
        if info.reads == "prob":
            at = info.threshold
            prob = predictions.thresholded if at is None else predictions.at(at)
            values[name] = float(function(prob, predictions.target))
        elif predictions.detections is not None:
            values[name] = float(function(predictions.detections))
    values[ANY] = float((predicted(predictions.prob) == predictions.target).mean())
    values[FACES] = float(len(predictions.target))
    return values
