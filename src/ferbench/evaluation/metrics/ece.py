"""Expected calibration error of the answers.

sum over 15 bins of equal width of n_b / N |accuracy_b - confidence_b|, a face's confidence being
the probability of its answer; in [0, 1], lower is better. A miss is wrong with confidence 0, which
is no error of calibration: to be read beside coverage. Classes do not matter. No score threshold
applies. Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoreboard import reliability

__all__ = ["ece"]

HIGHER_IS_BETTER = False
INPUT = "prob"
BOUNDS = (0.0, 1.0)
THRESHOLD = 0.0


def ece(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean gap between confidence and accuracy, bins weighted by their faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss: wrong, with confidence 0.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(ece(prob, np.array([0, 1, 1, 1])), 4)
    0.3
    """
    bins = reliability(prob, target)
    gap = (bins["accuracy"] - bins["confidence"]).abs()
    return float((gap * bins["count"]).sum() / bins["count"].sum())
