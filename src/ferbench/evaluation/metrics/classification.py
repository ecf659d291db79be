"""Metrics of predicted classes: how often, for which classes, and whether at all.

A miss, a row of zeros, is wrong, and a prediction of no class. Of four faces, one of class 0 and
three of class 1, two are recognised, one is taken for class 0 and one is missed:

>>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
>>> target = np.array([0, 1, 1, 1])
>>> accuracy(prob, target), coverage(prob, target), round(accuracy_detected(prob, target), 4)
(0.5, 0.75, 0.6667)
>>> [round(f(prob, target), 4) for f in (precision_macro, recall_macro, f1_macro)]
[0.75, 0.6667, 0.5833]
>>> [round(f(prob, target), 4) for f in (precision_weighted, recall_weighted, f1_weighted)]
[0.875, 0.5, 0.5417]
>>> round(balanced_accuracy(prob, target), 4), round(kappa(prob, target), 4)
(0.6667, 0.2727)
>>> top2_accuracy(np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]]), np.array([1, 2]))
0.5

All take prob (N, C), probabilities, and target (N,), indices of the true classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from ferbench.artifacts.predictions import MISS, predicted
from ferbench.evaluation.scoring import confusion, metric

__all__ = [
    "accuracy",
    "accuracy_025",
    "accuracy_detected",
    "balanced_accuracy",
    "coverage",
    "f1_macro",
    "f1_weighted",
    "kappa",
    "precision_macro",
    "precision_weighted",
    "recall_macro",
    "recall_weighted",
    "top2_accuracy",
]


@metric()
def accuracy(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Share of faces given their true label.

    correct / N, in [0, 1], higher is better. Absent classes do not count: only faces do.
    """
    return float((predicted(prob) == target).mean())


@metric(threshold=0.25)
def accuracy_025(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Accuracy with a detector's boxes from a score of 0.25, whatever the study's threshold.

    0.25 is the usual default of detection libraries. Equal to accuracy for classifiers.
    """
    return accuracy(prob, target)


@metric()
def accuracy_detected(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Share of predictions that are correct.

    correct / (N - misses), in [0, 1], higher is better; 0 if all faces are missed. To be read
    beside coverage: a detector can raise it by predicting only where it is confident.
    """
    label = predicted(prob)
    found = label != MISS
    if not found.any():
        return 0.0
    return float((label[found] == target[found]).mean())


@metric()
def coverage(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Share of faces with a prediction.

    1 - misses / N, in [0, 1], higher is better; 1 for every classifier. Classes do not matter.
    """
    return float((predicted(prob) != MISS).mean())


@metric()
def top2_accuracy(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Share of faces whose true label is among the two most probable classes.

    faces with fewer than two classes before the true one / N, in [0, 1], higher is better. Of equal
    probabilities the class that comes first is before. A miss is wrong.
    """
    own = np.take_along_axis(prob, target[:, None], axis=1)
    earlier = np.arange(prob.shape[1]) < target[:, None]
    before = ((prob > own) | ((prob == own) & earlier)).sum(axis=1)
    return float(((before < 2) & (predicted(prob) != MISS)).mean())


@metric()
def balanced_accuracy(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean of the class recalls.

    mean over classes c of TP_c / N_c, in [0, 1], higher is better. A class without a true face is
    left out of the mean. Equal to macro recall; the field uses both names, so both are reported.
    """
    counts = confusion(prob, target)
    support = counts.sum(axis=1)
    present = support > 0
    return float((np.diag(counts)[present] / support[present]).mean())


@metric(bounds=(-1.0, 1.0))
def kappa(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Cohen's kappa: agreement of predictions and labels beyond chance.

    (p - e) / (1 - e) with p the accuracy and e = sum over classes of N_c A_c / N^2, where A_c
    counts the predictions of c; in [-1, 1], higher is better, 0 for predictions that ignore the
    face. A class without faces adds nothing to e. NaN if all faces and all predictions are of one
    class.
    Source: Cohen, "A coefficient of agreement for nominal scales", 1960.
    """
    counts = confusion(prob, target)
    faces = counts.sum()
    agreed = np.trace(counts) / faces
    chance = (counts.sum(axis=1) * counts[:, :-1].sum(axis=0)).sum() / faces**2
    return float((agreed - chance) / (1 - chance)) if chance < 1 else float("nan")


@metric()
def precision_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Precision, mean over classes.

    mean over classes of TP / (TP + FP), in [0, 1], higher is better. A class without a true face is
    left out of the mean; a class that is never predicted has precision 0.
    """
    return _mean(precision_score, prob, target, "macro")


@metric()
def recall_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Recall, mean over classes.

    mean over classes of TP / (TP + FN), in [0, 1], higher is better. A class without a true face is
    left out of the mean.
    """
    return _mean(recall_score, prob, target, "macro")


@metric()
def f1_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """F1, mean over classes.

    mean over classes of 2 TP / (2 TP + FP + FN), in [0, 1], higher is better. A class without a
    true face is left out of the mean; a class that is never predicted has precision 0.
    """
    return _mean(f1_score, prob, target, "macro")


@metric()
def precision_weighted(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Precision, mean over classes weighted by their faces.

    sum over classes of N_c / N times TP / (TP + FP), in [0, 1], higher is better. A class without a
    true face has no weight; a class that is never predicted has precision 0.
    """
    return _mean(precision_score, prob, target, "weighted")


@metric()
def recall_weighted(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Recall, mean over classes weighted by their faces.

    sum over classes of N_c / N times TP / (TP + FN), in [0, 1], higher is better. A class without a
    true face has no weight.
    """
    return _mean(recall_score, prob, target, "weighted")


@metric()
def f1_weighted(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """F1, mean over classes weighted by their faces.

    sum over classes of N_c / N times 2 TP / (2 TP + FP + FN), in [0, 1], higher is better. A class
    without a true face has no weight; a class that is never predicted has precision 0.
    """
    return _mean(f1_score, prob, target, "weighted")


def _mean(
    score: Callable[..., float],
    prob: NDArray[np.float64],
    target: NDArray[np.int64],
    average: Literal["macro", "weighted"],
) -> float:
    """A score of scikit-learn over the classes that have faces; `MISS` is none of them."""
    present = np.unique(target)
    return float(score(target, predicted(prob), labels=present, average=average, zero_division=0))
