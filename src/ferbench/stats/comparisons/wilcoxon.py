"""Wilcoxon's signed-rank test.

Source: Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945;
for classifiers Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
2006, section 3.1.3. Computed by SciPy. The interval: Hollander and Wolfe, "Nonparametric
Statistical Methods", 2nd edition, 1999, section 3.3.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ferbench.stats.effects import rank_biserial
from ferbench.stats.result import (
    CONFIDENCE,
    TestResult,
    differences,
    no_difference,
    pair_test,
    undefined,
)

__all__ = ["wilcoxon"]

_EXACT = 50  # pairs, up to which the null distribution of the rank sum is enumerated


@pair_test("pairs")
def wilcoxon(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Wilcoxon's signed-rank test of paired differences; the effect size is the rank-biserial r.

    The statistic is W+ - W-, the rank sum that favours B minus the one that favours A.

    Null hypothesis: the differences B - A are symmetric about 0. Pairs are values of one seed.
    Assumptions: independent differences, not necessarily normal. Zeros are dropped, as by Wilcoxon;
    tied absolute differences share their mean rank. p is exact up to 50 pairs without ties and up
    to 13 with them, beyond that by the normal approximation. With fewer than 6 pairs p cannot reach
    0.05, whatever the values: the smallest p is 2 / 2^n.

    The bounds are Walsh averages (means of two differences, including of each with itself), chosen
    so that the test at 5 % rejects no centre between them; NaN with fewer than 6 pairs. They
    enclose the centre of symmetry, which is the mean if the differences have one.

    Args:
        a: values of A by seed.
        b: values of B by the same seeds.

    Hollander and Wolfe, example 3.1: nine patients' depression before and after a drug; W+ is 5 of
    45, the exact p is 0.039.

    >>> before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    >>> after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    >>> result = wilcoxon(before, after)
    >>> result.statistic, round(result.p_value, 4)
    (-35.0, 0.0391)
    >>> round(result.low, 3), round(result.high, 3)
    (-0.786, -0.01)
    """
    d = differences(a, b)
    n = len(d)
    estimate = float(d.mean()) if n else math.nan
    if n < 2:
        return undefined(estimate, n)
    known = d[d != 0]
    if not len(known):
        return no_difference(n)
    effect = rank_biserial(known)
    p = float(stats.wilcoxon(known).pvalue)
    low, high = _bounds(d)
    statistic = effect * len(known) * (len(known) + 1) / 2
    return TestResult(round(statistic, 6), p, estimate, low, high, effect, n)


def _bounds(d: NDArray[np.float64]) -> tuple[float, float]:
    """Bounds of the centre of symmetry, from the Walsh averages."""
    n = len(d)
    i, j = np.triu_indices(n)
    walsh = np.sort((d[i] + d[j]) / 2)
    cut = _cut(n)
    if cut == 0:
        return math.nan, math.nan
    return float(walsh[cut - 1]), float(walsh[-cut])


@functools.lru_cache(maxsize=64)
def _cut(n: int) -> int:
    """How many rank sums, from 0 on, have at most half of the error probability in total."""
    error = (1 - CONFIDENCE) / 2
    if n > _EXACT:
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        return int(mean + stats.norm.ppf(error) * math.sqrt(variance)) + 1
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))  # without this rank, and with it
    return int(np.searchsorted(ways.cumsum() / 2**n, error, side="right"))
