"""Precision, mean over classes.

mean over classes of TP / (TP + FP), in [0, 1], higher is better. A class without a true face is
left out of the mean; a class that is never answered has precision 0. A miss is an answer of no
class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_score

from ferbench.evaluation.scoring import predicted

__all__ = ["precision_macro"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def precision_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean precision over the classes that have faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(precision_macro(prob, np.array([0, 1, 1, 1])), 4)
    0.75
    """
    present = np.unique(target)
    label = predicted(prob)
    return float(precision_score(target, label, labels=present, average="macro", zero_division=0))
