"""Effect sizes that several tests give."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["hedges_g"]


def hedges_g(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Standardised difference of means B - A, free of small-sample bias.

    g = J * (mean b - mean a) / s, with the pooled standard deviation s over df = n_a + n_b - 2 and
    the exact J = Gamma(df/2) / (sqrt(df/2) * Gamma((df-1)/2)).

    Source: Hedges, "Distribution theory for Glass's estimator of effect size and related
    estimators", Journal of Educational Statistics 6(2), 1981.

    Returns:
        NaN with fewer than two values a side, or without any spread.

    >>> round(hedges_g(np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0])), 4)
    1.5958
    """
    if min(len(a), len(b)) < 2:
        return math.nan
    df = len(a) + len(b) - 2
    pooled = math.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / df)
    if pooled == 0:
        return math.nan
    unbias = math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)
    return float(unbias * (b.mean() - a.mean()) / pooled)
