"""Cohen's kappa: agreement of answers and labels beyond chance.

(p - e) / (1 - e) with p the share of right answers and e = sum over classes of N_c A_c / N^2, where
A_c counts the answers c; in [-1, 1], higher is better, 0 for answers that ignore the face. A miss
is an answer of no class. A class without faces adds nothing to e. NaN if all faces and all answers
are of one class. Source: Cohen, "A coefficient of agreement for nominal scales", 1960.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.scoring import confusion

__all__ = ["kappa"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (-1.0, 1.0)


def kappa(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Agreement beyond what the frequencies of labels and answers would give.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is wrong.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(kappa(prob, np.array([0, 1, 1, 1])), 4)
    0.2727
    """
    counts = confusion(prob, target)
    faces = counts.sum()
    agreed = np.trace(counts) / faces
    chance = (counts.sum(axis=1) * counts[:, :-1].sum(axis=0)).sum() / faces**2
    return float((agreed - chance) / (1 - chance)) if chance < 1 else float("nan")
