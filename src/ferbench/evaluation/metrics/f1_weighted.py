"""F1, mean over classes weighted by their faces.

sum over classes of N_c / N times 2 TP / (2 TP + FP + FN), in [0, 1], higher is better. A class
without a true face has no weight; a class that is never answered has precision 0. A miss is an
answer of no class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from ferbench.evaluation.scoring import predicted

__all__ = ["f1_weighted"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def f1_weighted(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean F1 over classes, each weighted by its number of faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(f1_weighted(prob, np.array([0, 1, 1, 1])), 4)
    0.5417
    """
    present = np.unique(target)
    label = predicted(prob)
    return float(f1_score(target, label, labels=present, average="weighted", zero_division=0))
