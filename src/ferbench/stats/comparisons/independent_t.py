"""Student's t-test of two independent means, with one pooled variance.

Source: Student, "The probable error of a mean", Biometrika 6(1), 1908; the test of P0's table 3.
Computed by SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.effects import hedges_g
from ferbench.stats.result import CONFIDENCE, TestResult, no_difference, undefined

__all__ = ["independent_t"]

INPUT = "seeds"
POWER = "two_samples"


def independent_t(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Compare the means of two independent samples; the effect size is Hedges' g.

    t = (mean b - mean a) / sqrt(s^2 * (1/n_a + 1/n_b)), s^2 pooled over n_a + n_b - 2 degrees.

    Null hypothesis: both populations have one mean. Nothing is paired: value i of A has nothing to
    do with value i of B. Assumed: independent values, normal within each sample, and one variance
    in both populations; `welch` does without the last and is the better choice but where a paper
    took this one. Ties do not matter. With fewer than two values a side there is no test: all but
    the estimate is NaN. Two samples without any spread give p = 1 if they are equal, and NaN if
    they differ.

    Args:
        a: values of A, such as one metric over seeds.
        b: values of B.

    The ten-run test of P0, table 3, made from its means and standard deviations; it prints 2.81 and
    0.01:

    >>> ten = stats.zscore([float(v) for v in range(10)], ddof=1)
    >>> result = independent_t(76.8 + 8.26 * ten, 86.33 + 6.84 * ten)
    >>> round(result.statistic, 3), round(result.p_value, 4)
    (2.81, 0.0116)
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    n = min(len(x), len(y))
    estimate = float(y.mean() - x.mean()) if n else math.nan
    if n < 2:
        return undefined(estimate, n)
    if np.ptp(x) == 0 and np.ptp(y) == 0:
        return no_difference(n) if estimate == 0 else undefined(estimate, n)
    test = stats.ttest_ind(y, x)
    low, high = test.confidence_interval(CONFIDENCE)
    effect = hedges_g(x, y)
    return TestResult(
        float(test.statistic), float(test.pvalue), estimate, float(low), float(high), effect, n
    )
