"""How well the probability of a class ranks its faces before all others, one class at a time.

A row of zeros is a miss: a face that a detector gave no answer for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["class_ap", "class_auroc"]

_RECALLS = np.linspace(0, 1, 101)


def class_ap(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,) average precision of each class against the rest, interpolated at 101 recalls.

    The precision at a recall is the best one at that recall or a greater one, as for boxes. Equal
    probabilities are taken together. A miss is never retrieved, as a face without a box is not.

    Args:
        prob: (N, C) probabilities.
        target: (N,) indices of the true classes.

    Returns:
        NaN for a class without faces.
    """
    answered = prob.any(axis=1)
    values = np.full(prob.shape[1], np.nan)
    for number in np.unique(target):
        right, faces = target[answered] == number, int((target == number).sum())
        values[number] = _interpolated(prob[answered, number], right, faces)
    return values


def class_auroc(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C,) probability that a face of the class has more of it than one of the rest; ties half.

    By the ranks of Mann and Whitney. A miss counts as probability 0 for every class.

    Args:
        prob: (N, C) probabilities.
        target: (N,) indices of the true classes.

    Returns:
        NaN for a class without faces, or without others.
    """
    own = np.arange(prob.shape[1]) == target[:, None]
    faces = own.sum(axis=0)
    rest = len(target) - faces
    above = np.where(own, rankdata(prob, axis=0), 0.0).sum(axis=0) - faces * (faces + 1) / 2
    values = np.full(prob.shape[1], np.nan)
    return np.divide(above, faces * rest, out=values, where=(faces > 0) & (rest > 0))


def _interpolated(score: NDArray[np.float64], right: NDArray[np.bool_], faces: int) -> float:
    """Mean over 101 recalls of the best precision from that recall on; 0 where none is reached."""
    if not len(score):
        return 0.0
    order = np.argsort(-score, kind="stable")
    found = right[order].cumsum()
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of each run of ties
    precision = found[last] / (last + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(found[last] / faces, _RECALLS, side="left")
    return float(np.append(best, 0.0)[place].mean())
