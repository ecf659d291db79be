"""A network's numbers for each emotion by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.labels import confusion
from ferbench.evaluation.ranking import class_ap, class_auroc
from ferbench.evaluation.scoring import Answers

__all__ = ["class_rows"]


def class_rows(answers: Answers) -> Iterator[dict[str, Any]]:
    """Rows emotion, metric, value of one network on one subset.

    support counts faces. precision, recall and f1 are of the answers at the score threshold; a
    class that is never answered has precision 0. ap and auroc are of the probabilities, each class
    against the rest, without a threshold. Detectors have the average precision of their boxes at
    IoU 0.5, ap50, and precision_box, recall_box and f1_box where the mean F1 is best. What a class
    without faces does not define is NaN.
    """
    columns = _answered(confusion(answers.sure, answers.target))
    columns["ap"] = class_ap(answers.raw, answers.target)
    columns["auroc"] = class_auroc(answers.raw, answers.target)
    if (detections := answers.detections) is not None:
        columns["ap50"] = detections.average_precision[0]
        columns["precision_box"] = detections.best.precision
        columns["recall_box"] = detections.best.recall
        columns["f1_box"] = detections.best.f1
    for number, emotion in enumerate(answers.classes):
        for metric, values in columns.items():
            yield {"emotion": emotion, "metric": metric, "value": float(values[number])}


def _answered(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Support, precision, recall and F1 of each class, from counts (C, C + 1) with misses last."""
    right, support = np.diag(counts).astype(float), counts.sum(axis=1).astype(float)
    said = counts[:, :-1].sum(axis=0)
    present = support > 0
    precision = np.where(present, right / np.maximum(said, 1), np.nan)
    recall = np.where(present, right / np.maximum(support, 1), np.nan)
    f1 = np.where(present, 2 * right / np.maximum(support + said, 1), np.nan)
    return {"support": support, "precision": precision, "recall": recall, "f1": f1}
