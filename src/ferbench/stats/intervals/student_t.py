"""Student's t interval of a mean.

Source: Student, "The probable error of a mean", Biometrika 6(1), 1908.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.result import CONFIDENCE, Interval

__all__ = ["student_t"]

HOLDS_FROM = 2


def student_t(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval: mean +- t(0.975, n - 1) * s / sqrt(n), with s over n - 1.

    Assumed: independent, normal values. The bounds are not cut to the metric's range, so with two
    or three seeds they may leave it: that is how little two seeds say. One value has no bounds
    (NaN).

    >>> mean, low, high = student_t([0.70, 0.72, 0.74])
    >>> round(mean, 4), round(low, 4), round(high, 4)
    (0.72, 0.6703, 0.7697)
    """
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return Interval(mean, math.nan, math.nan)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Interval(mean, mean - half, mean + half)
