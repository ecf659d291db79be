"""Recall, mean over classes.

mean over classes of TP / (TP + FN), in [0, 1], higher is better. A class without a true face is
left out of the mean. A miss is an answer of no class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import recall_score

from ferbench.evaluation.scoring import predicted

__all__ = ["recall_macro"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def recall_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean recall over the classes that have faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(recall_macro(prob, np.array([0, 1, 1, 1])), 4)
    0.6667
    """
    present = np.unique(target)
    label = predicted(prob)
    return float(recall_score(target, label, labels=present, average="macro", zero_division=0))
