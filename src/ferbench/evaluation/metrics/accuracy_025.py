"""Share of faces given their true label, at a score of 0.25.

correct / N, in [0, 1], higher is better. As accuracy, but a detector's box answers from a score of
0.25, the usual default of detection libraries, whatever the study's threshold. Equal to accuracy
for classifiers. An absent class counts as nothing: only faces count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoring import predicted

__all__ = ["accuracy_025"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)
THRESHOLD = 0.25


def accuracy_025(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Correct answers over all faces, misses included.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> accuracy_025(prob, np.array([0, 1, 1, 1]))
    0.5
    """
    return float((predicted(prob) == target).mean())
