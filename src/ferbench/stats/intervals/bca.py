"""Bias-corrected and accelerated bootstrap interval of a mean.

Source: Efron, "Better bootstrap confidence intervals", JASA 82(397), 1987. Computed by SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.result import CONFIDENCE, Interval

__all__ = ["bca"]

# With fewer values the interval is too narrow; tests hold it to its level from here on.
HOLDS_FROM = 50

_DRAWS = 4999
_SEED = 0


def bca(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval from quantiles of bootstrapped means, shifted for bias and skew.

    Assumed: independent values of any distribution, and enough of them. Few seeds are not: with 3,
    5 and 10 normal values the interval holds the mean in about 70, 85 and 90 % of cases, because no
    drawn mean can leave the range of the values. `student_t` is the one for seeds; this one is for
    many values, such as one a face. The draws have a fixed seed. One value has no bounds (NaN);
    equal values have no width.

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
