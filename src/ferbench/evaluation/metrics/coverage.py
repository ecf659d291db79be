"""Share of faces that got an answer at all.

1 - misses / N, in [0, 1], higher is better; 1 for every classifier. Classes do not matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoring import MISS, predicted

__all__ = ["coverage"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def coverage(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Faces with an answer over all faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> coverage(prob, np.array([0, 1, 1, 1]))
    0.75
    """
    return float((predicted(prob) != MISS).mean())
