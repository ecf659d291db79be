"""Average precision of the class probabilities, mean over classes; "cls-AP".

mean over classes of AP_c = 1/101 sum over r in {0, 0.01, ..., 1} of the best precision at a recall
of at least r, when all faces are ranked by their probability of c; in [0, 1], higher is better.
That is the interpolation of the box AP, so that what papers print as the mAP of a classifier can be
laid beside a detector's. `sklearn.metrics.average_precision_score` does not interpolate: it sums
precision times gain of recall, and is as a rule a little lower. A class without faces is left out
of the mean. A miss is never retrieved, whatever the class. No score threshold applies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.ranking import class_ap

__all__ = ["ap_macro"]

HIGHER_IS_BETTER = True
INPUT = "prob"
BOUNDS = (0.0, 1.0)
THRESHOLD = 0.0


def ap_macro(prob: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """Mean over classes of the interpolated average precision, each class against the rest.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss, which is never retrieved.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.0, 0.0]])
    >>> round(ap_macro(prob, np.array([0, 1, 1, 1])), 4)
    0.8317
    """
    return float(np.nanmean(class_ap(prob, target)))
