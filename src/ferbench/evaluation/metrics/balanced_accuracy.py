"""Mean of the class recalls.

mean over classes c of TP_c / N_c, in [0, 1], higher is better. A class without a true face is left
out of the mean. Equal to macro recall; the field uses both words, so both are printed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoring import confusion

__all__ = ["balanced_accuracy"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)


def balanced_accuracy(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean recall over the classes that have faces.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(balanced_accuracy(prob, np.array([0, 1, 1, 1])), 4)
    0.6667
    """
    counts = confusion(prob, target)
    support = counts.sum(axis=1)
    present = support > 0
    return float((np.diag(counts)[present] / support[present]).mean())
