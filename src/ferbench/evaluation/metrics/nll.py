"""Negative log-likelihood of the true labels, over answered faces.

mean over the faces that got an answer of -ln p_true, in nats, in [0, 36.04...], lower is better;
the loss that classifiers minimise. A probability of 0 counts as the smallest step of a double,
2.2e-16, which bounds it. A miss has no likelihood and is left out, so it is to be read beside
coverage; NaN if nothing was answered. An absent class counts as nothing. No score threshold
applies.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["nll"]

_LEAST = float(np.finfo(float).eps)

HIGHER_IS_BETTER = False
INPUT = "prob"
BOUNDS = (0.0, -math.log(_LEAST))
THRESHOLD = 0.0


def nll(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean of -ln of the true class's probability.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is left out.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(nll(prob, np.array([0, 1, 1, 1])), 4)
    0.6905
    """
    answered = prob.any(axis=1)
    if not answered.any():
        return float("nan")
    own = np.take_along_axis(prob, target[:, None], axis=1)[answered]
    return float(-np.log(np.clip(own, _LEAST, 1.0)).mean())
