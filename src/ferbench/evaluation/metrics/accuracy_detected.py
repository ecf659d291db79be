"""Share of answers that are right.

correct / (N - misses), in [0, 1], higher is better. 0 if nothing was answered. To be read beside
coverage: a detector can raise it by answering only when it is sure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoring import MISS, predicted

__all__ = ["accuracy_detected"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def accuracy_detected(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Correct answers over the faces that got an answer.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(accuracy_detected(prob, np.array([0, 1, 1, 1])), 4)
    0.6667
    """
    label = predicted(prob)
    answered = label != MISS
    if not answered.any():
        return 0.0
    return float((label[answered] == target[answered]).mean())
