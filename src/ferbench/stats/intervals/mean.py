"""Intervals of the mean of seeds (`student_t`) or of many values (`bca`).

Sources: Student, "The probable error of a mean", Biometrika 6(1), 1908. Efron, "Better bootstrap
confidence intervals", JASA 82(397), 1987; computed by SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.result import CONFIDENCE, Interval, holds_from

__all__ = ["bca", "student_t"]

_DRAWS = 4999
_SEED = 0


@holds_from(2)
def student_t(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval: mean +- t(0.975, n - 1) * s / sqrt(n), with s over n - 1.

    Assumptions: independent, normal values. The bounds are not cut to the metric's range and may
    leave it with two or three seeds, which determine the mean that poorly. One value has no bounds
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


@holds_from(50)  # with fewer values it is too narrow
def bca(values: Sequence[float]) -> Interval:
    """Mean and 95 % bias-corrected and accelerated bootstrap interval.

    Assumptions: independent values of any distribution, and enough of them. Seeds are too few: with
    3, 5 and 10 normal values the interval covers the mean in about 70, 85 and 90 % of cases,
    because no resampled mean can leave the range of the values. Use `student_t` for seeds and this
    one for many values, such as one per face. The draws have a fixed seed. One value has no bounds
    (NaN); equal values give an interval of zero width.

    >>> mean, low, high = bca([0.0] * 30 + [1.0] * 70)
    >>> round(mean, 4), round(low, 2), round(high, 2)
    (0.7, 0.6, 0.78)
    """
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return Interval(mean, math.nan, math.nan)
    if np.ptp(x) == 0:
        return Interval(mean, mean, mean)
    low, high = stats.bootstrap(
        (x,),
        np.mean,
        n_resamples=_DRAWS,
        batch=max(1, 1_000_000 // len(x)),
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Interval(mean, float(low), float(high))
