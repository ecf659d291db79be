"""From one model's stored answers to its numbers; the one place where metrics meet predictions."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench import plugins
from ferbench.evaluation.labels import confusion, predicted, sure_enough
from ferbench.evaluation.predictions import arrays, classes_of

__all__ = ["ANY", "class_recall", "score_answers", "thresholded"]

_METRICS = "ferbench.evaluation.metrics"
# Accuracy without a score threshold; for a classifier it is the accuracy.
ANY = "accuracy_any"


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


def score_answers(
    predictions: pd.DataFrame,
    boxes: pd.DataFrame,
    metrics: Sequence[str],
    threshold: float | None,
) -> dict[str, float]:
    """All metrics that apply, by name, and `accuracy_any`.

    Args:
        predictions: rows of `predictions.parquet`.
        boxes: rows of `boxes.parquet`.
        metrics: files of `ferbench.evaluation.metrics`.
        threshold: least score of a detector's box; None for a classifier, which has no box metrics.
    """
    prob, target = thresholded(predictions, boxes, threshold)
    values = {}
    for name in metrics:
        metric = plugins.load(_METRICS, name)
        if importlib.import_module(metric.__module__).INPUT == "prob":
            values[name] = float(metric(prob, target))
        elif threshold is not None:
            values[name] = float(metric(boxes, classes_of(boxes)))
    values[ANY] = float((predicted(arrays(predictions)[0]) == target).mean())
    return values


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
