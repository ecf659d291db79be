"""Metrics of one network's predictions on resampled test faces.

Average precision of boxes, the share of faces that are found, and scores of predicted classes are
computed for all replicates at once; of other metrics the function itself is called on every
replicate, with each face, or each image, as often as it was drawn. Copies of an image are images of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench import plugins
from ferbench.artifacts.predictions import predicted
from ferbench.artifacts.replicates import ClusterDraws
from ferbench.confusions import SCORES
from ferbench.detection.matching import MIN_IOU
from ferbench.detection.metrics import Detections
from ferbench.evaluation.resampled_boxes import resampled_average_precision
from ferbench.evaluation.scoring import ANY, Metric, Predictions, confusion

__all__ = ["ResampledPredictions"]

_METRICS = "ferbench.evaluation.metrics"
_ACCURACY = "accuracy"

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ResampledPredictions:
    """A network's predictions on one subset, and how often each replicate holds them.

    Args:
        predictions: on the subset.
        cluster: by image id, the number of its cluster.
        weights: (B, C) how often each replicate holds each cluster.
    """

    predictions: Predictions
    cluster: pd.Series
    weights: _Array

    @classmethod
    def of(
        cls, predictions: Predictions, cluster: pd.Series, draws: ClusterDraws
    ) -> ResampledPredictions:
        """Predictions with draws of clusters.

        Args:
            predictions: on a subset of the faces that the clusters are of.
            cluster: by image id, the name of its cluster.
            draws: of the clusters.
        """
        numbers = pd.Series(draws.names.get_indexer(pd.Index(cluster)), cluster.index, dtype=int)
        return cls(predictions, numbers, draws.weights)

    def metric(self, name: str) -> _Array | None:
        """A metric on the faces themselves and on resampled ones.

        Args:
            name: in `ferbench.evaluation.metrics`, or `accuracy_any`.

        Returns:
            (B,), NaN where a replicate holds no face of the subset; None for a metric of boxes of a
            classifier.
        """
        if _info(name).reads == "boxes":
            if self.predictions.detections is None:
                return None
            compute = _OF_BOXES.get(name, _each_of_boxes)
        else:
            compute = _of_classes if name in SCORES else _each
        with np.errstate(divide="ignore", invalid="ignore"):
            values = compute(self, name)
        return np.where(self.faces > 0, values, np.nan)

    @cached_property
    def of_face(self) -> NDArray[np.int64]:
        """(N,) cluster of each face."""
        return self._of(self.predictions.table)

    @cached_property
    def of_box(self) -> NDArray[np.int64]:
        """(M,) cluster of each row of `boxes.parquet`."""
        return self._of(self.predictions.boxes)

    def _of(self, table: pd.DataFrame) -> NDArray[np.int64]:
        return self.cluster.loc[table["image_id"]].to_numpy(np.int64)

    @cached_property
    def faces(self) -> _Array:
        """(B,) faces in each replicate."""
        return self.sums(np.ones(len(self.of_face)), self.of_face)

    @cached_property
    def precision(self) -> _Array:
        """(B, T, K) average precision of boxes."""
        own = self.predictions
        return resampled_average_precision(own.boxes, own.classes, self.of_box, self.weights)

    def sums(self, values: _Array, clusters: NDArray[np.int64]) -> _Array:
        """(B,) sums of values, each as often as its cluster was drawn."""
        return self.weights @ np.bincount(clusters, values, minlength=self.weights.shape[1])

    def rows(self, replicate: int, clusters: NDArray[np.int64]) -> tuple[Any, Any]:
        """The rows of a replicate, copies together, and the number of each copy from 0."""
        times = self.weights[replicate, clusters].astype(np.int64)
        rows = np.repeat(np.arange(len(times)), times)
        return rows, np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)


def _info(metric: str) -> Metric:
    if metric == ANY:
        return Metric(threshold=0.0)
    info: Metric = plugins.load(_METRICS, metric).metric
    return info


def _of_classes(sample: ResampledPredictions, metric: str) -> _Array:
    """A score of `ferbench.confusions`, of the counts of each cluster."""
    own = sample.predictions
    label, shape = predicted(own.thresholded), confusion(own.thresholded, own.target).shape
    cell = own.target * shape[1] + label % shape[1]  # a miss, being -1, is the last column
    table = np.zeros((sample.weights.shape[1], shape[0] * shape[1]))
    np.add.at(table, (sample.of_face, cell), 1)
    return SCORES[metric]((sample.weights @ table).reshape(-1, *shape))


def _map50(sample: ResampledPredictions, metric: str) -> _Array:
    return _over_classes(sample.precision[:, 0])


def _map50_95(sample: ResampledPredictions, metric: str) -> _Array:
    return _over_classes(sample.precision.mean(axis=1))


def _over_classes(values: _Array) -> _Array:
    """(B,) mean of (B, K) over the classes that have a value; 0 if none has."""
    present = ~np.isnan(values)
    return np.where(present, values, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)


def _face_detection(sample: ResampledPredictions, metric: str) -> _Array:
    own = sample.predictions.detections
    assert own is not None  # `_replicates` has asked
    near = (own.pairs["score"] >= own.threshold) & (own.pairs["iou"] >= MIN_IOU)
    found = own.truth.index.isin(own.pairs.loc[near, "face"]).astype(np.float64)
    clusters = sample.of_box[own.boxes["truth"].to_numpy(bool)]
    faces = sample.sums(np.ones(len(found)), clusters)
    return sample.sums(found, clusters) / np.maximum(faces, 1)


def _each(sample: ResampledPredictions, metric: str) -> _Array:
    """A metric of probabilities, called on every replicate."""
    own, info = sample.predictions, _info(metric)
    prob = own.thresholded if info.threshold is None else own.at(info.threshold)
    function = plugins.load(_METRICS, _ACCURACY if metric == ANY else metric)

    def value(replicate: int) -> float:
        rows, _ = sample.rows(replicate, sample.of_face)
        return float(function(prob[rows], own.target[rows]))

    return _called(value, sample)


def _each_of_boxes(sample: ResampledPredictions, metric: str) -> _Array:
    """A metric of boxes, called on every replicate; a copy of an image is an image of its own."""
    own, function = sample.predictions, plugins.load(_METRICS, metric)
    image = pd.factorize(own.boxes["image_id"])[0]

    def value(replicate: int) -> float:
        rows, copy = sample.rows(replicate, sample.of_box)
        boxes = own.boxes.iloc[rows].assign(image_id=image[rows] * (copy.max() + 1) + copy)
        return float(function(Detections(boxes, own.classes, own.threshold or 0.0)))

    return _called(value, sample)


def _called(value: Callable[[int], float], sample: ResampledPredictions) -> _Array:
    return np.array([value(b) if held else np.nan for b, held in enumerate(sample.faces)])


# Metrics of boxes that are computed for all replicates at once.
_OF_BOXES: Mapping[str, Callable[[ResampledPredictions, str], _Array]] = {
    "face_detection": _face_detection,
    "map50": _map50,
    "map50_95": _map50_95,
}
