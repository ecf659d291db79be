"""Metrics of the probabilities themselves: ranking and calibration.

No score threshold applies: a miss, a row of zeros, is only a face without any box.

>>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
>>> target = np.array([0, 1, 1, 1])
>>> [round(f(prob, target), 4) for f in (ap_macro, auroc_macro)]
[0.8317, 0.8333]
>>> [round(f(prob, target), 4) for f in (brier, ece, nll)]
[0.62, 0.3, 0.6905]

All take prob (N, C), probabilities, and target (N,), indices of the true classes.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from ferbench.artifacts.predictions import predicted
from ferbench.evaluation.scoring import metric

__all__ = ["ap_macro", "auroc_macro", "brier", "ece", "nll"]

BINS = 15
_RECALLS = np.linspace(0, 1, 101)
_LEAST = float(np.finfo(float).eps)


@metric(threshold=0.0)
def ap_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Average precision of the class probabilities, mean over classes; "cls-AP".

    mean over classes of AP_c = 1/101 sum over r in {0, 0.01, ..., 1} of the best precision at a
    recall of at least r, when all faces are ranked by their probability of c; in [0, 1], higher is
    better. That is the interpolation of the box AP, so that what papers print as the mAP of a
    classifier can be laid beside a detector's. `sklearn.metrics.average_precision_score` does not
    interpolate, and is as a rule a little lower. A class without faces is left out of the mean.
    """
    return float(np.nanmean(class_ap(prob, target)))


@metric(threshold=0.0)
def auroc_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Area under the ROC curve, each class against the rest, mean over classes.

    mean over classes c of the probability that a face of c has more probability of c than a face of
    another class, ties counting half; in [0, 1], higher is better, 0.5 is chance. A class without
    faces, or that all faces are of, is left out of the mean; NaN if that leaves none.
    """
    values = class_auroc(prob, target)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


@metric(higher_is_better=False, bounds=(0.0, 2.0), threshold=0.0)
def brier(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Brier score: squared distance of the probabilities from the truth.

    mean over faces of sum over classes (p_c - [c is true])^2, in [0, 2], lower is better; for two
    classes twice the form of one probability. A miss has probability 0 for every class and so adds
    1. An absent class counts with the probability given to it.
    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    truth = np.eye(prob.shape[1])[target]
    return float(((prob - truth) ** 2).sum(axis=1).mean())


@metric(higher_is_better=False, threshold=0.0)
def ece(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Expected calibration error of the predictions.

    sum over 15 bins of equal width of n_b / N |accuracy_b - confidence_b|, a face's confidence
    being its highest probability; in [0, 1], lower is better. A miss is wrong with confidence 0,
    which is no error of calibration: to be read beside coverage. Classes do not matter.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    bins = reliability(prob, target)
    gap = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gap * bins["count"]).sum() / bins["count"].sum())


@metric(higher_is_better=False, bounds=(0.0, -math.log(_LEAST)), threshold=0.0)
def nll(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Negative log-likelihood of the true labels, over faces that are not missed.

    mean of -ln p_true, in nats, in [0, 36.04...], lower is better; the loss that classifiers
    minimise. A probability of 0 counts as the smallest step of a double, 2.2e-16, which bounds it.
    A miss has no likelihood and is left out, so it is to be read beside coverage; NaN if all faces
    are missed. Absent classes do not count.
    """
    found = prob.any(axis=1)
    if not found.any():
        return float("nan")
    own = np.take_along_axis(prob, target[:, None], axis=1)[found]
    return float(-np.log(np.clip(own, _LEAST, 1.0)).mean())


def class_ap(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,) average precision of each class against the rest; NaN for a class without faces.

    Interpolated at 101 recalls: the precision at a recall is the best one at that recall or a
    greater one, as for boxes. Equal probabilities are taken together. A miss is never retrieved, as
    a face without a box is not.
    """
    found = prob.any(axis=1)
    values = np.full(prob.shape[1], np.nan)
    for number in np.unique(target):
        own, faces = target[found] == number, int((target == number).sum())
        values[number] = _interpolated(prob[found, number], own, faces)
    return values


def class_auroc(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,) area under the ROC curve of each class; NaN for a class without faces or others.

    By the ranks of Mann and Whitney. A miss has probability 0 for every class.
    """
    own = np.arange(prob.shape[1]) == target[:, None]
    faces = own.sum(axis=0)
    rest = len(target) - faces
    above = np.where(own, rankdata(prob, axis=0), 0.0).sum(axis=0) - faces * (faces + 1) / 2
    values = np.full(prob.shape[1], np.nan)
    return np.divide(above, faces * rest, out=values, where=(faces > 0) & (rest > 0))


def reliability(prob: NDArray[np.float64], target: NDArray[np.int64]) -> pd.DataFrame:
    """Confidence against accuracy: the bins that hold faces.

    Columns bin, low, high, count, confidence, accuracy. Bin b, from 0, holds confidences in
    (b / 15, (b + 1) / 15], the first one also 0. `confidence` and `accuracy` are means over its
    faces. A miss is wrong with confidence 0. Source: as of `ece`, section 2.

    >>> prob = np.array([[0.9, 0.1], [0.92, 0.08], [0.0, 0.0]])
    >>> reliability(prob, np.array([0, 1, 1]))[["bin", "count", "confidence", "accuracy"]]
       bin  count  confidence  accuracy
    0    0      1        0.00       0.0
    1   13      2        0.91       0.5
    """
    edges = np.linspace(0, 1, BINS + 1)
    confidence = prob.max(axis=1)
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    faces = pd.DataFrame(
        {"bin": number, "confidence": confidence, "accuracy": predicted(prob) == target}
    ).astype({"accuracy": float})
    grouped = faces.groupby("bin")
    table = grouped.mean().reset_index()
    table.insert(1, "low", edges[table["bin"]])
    table.insert(2, "high", edges[table["bin"] + 1])
    table.insert(3, "count", grouped.size().to_numpy())
    return table


def _interpolated(score: NDArray[np.float64], own: NDArray[np.bool_], faces: int) -> float:
    """Mean over 101 recalls of the best precision from that recall on; 0 where none is reached."""
    if not len(score):
        return 0.0
    order = np.argsort(-score, kind="stable")
    found = own[order].cumsum()
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of each run of ties
    precision = found[last] / (last + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(found[last] / faces, _RECALLS, side="left")
    return float(np.append(best, 0.0)[place].mean())
