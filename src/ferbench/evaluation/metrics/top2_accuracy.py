"""Share of faces whose true label is among the two likeliest.

faces with fewer than two classes likelier than the true one / N, in [0, 1], higher is better. Of
equal probabilities the class that comes first is the likelier one. A miss is wrong. An absent class
counts as nothing: only faces count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoring import MISS, predicted

__all__ = ["top2_accuracy"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def top2_accuracy(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Faces whose class comes first or second, over all faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.0, 0.0, 0.0]])
    >>> top2_accuracy(prob, np.array([1, 2, 2, 0]))
    0.5
    """
    own = np.take_along_axis(prob, target[:, None], axis=1)
    earlier = np.arange(prob.shape[1]) < target[:, None]
    before = ((prob > own) | ((prob == own) & earlier)).sum(axis=1)
    return float(((before < 2) & (predicted(prob) != MISS)).mean())
