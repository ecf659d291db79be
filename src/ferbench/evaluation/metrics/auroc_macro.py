"""Area under the ROC curve, each class against the rest, mean over classes.

mean over classes c of the probability that a face of c has more probability of c than a face of
another class, ties counting half; in [0, 1], higher is better, 0.5 is chance. A class without
faces, or that all faces are of, is left out of the mean; NaN if that leaves none. A miss counts as
probability 0 for every class, and so ties with every other miss. No score threshold applies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.ranking import class_auroc

__all__ = ["auroc_macro"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)
THRESHOLD = 0.0


def auroc_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean over classes of the area under the curve.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, and counts as it stands.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(auroc_macro(prob, np.array([0, 1, 1, 1])), 4)
    0.8333
    """
    values = class_auroc(prob, target)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
