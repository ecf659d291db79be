"""Brier score: squared distance of the probabilities from the truth.

mean over faces of sum over classes (p_c - [c is true])^2, in [0, 2], lower is better; for two
classes twice the form of one probability. A miss counts as probability 0 for every class and so
adds 1. An absent class counts with the probability given to it. No score threshold applies.
Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["brier"]

HIGHER_IS_BETTER = False
INPUT = "prob"
BOUNDS = (0.0, 2.0)
THRESHOLD = 0.0


def brier(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean squared distance to the one-hot truth.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, and counts as it stands.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(brier(prob, np.array([0, 1, 1, 1])), 4)
    0.62
    """
    truth = np.eye(prob.shape[1])[target]
    return float(((prob - truth) ** 2).sum(axis=1).mean())
