"""Welch's t-test of two means.

Source: Welch, "The generalization of Student's problem when several different population variances
are involved", Biometrika 34(1-2), 1947. Computed by SciPy.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.effects import hedges_g
from ferbench.stats.result import CONFIDENCE, TestResult, no_difference, undefined

__all__ = ["welch"]

INPUT = "seeds"
POWER = "two_samples"


def welch(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Compare the means of two independent samples; the effect size is Hedges' g.

    Null hypothesis: both populations have one mean. Nothing is paired: value i of A has nothing to
    do with value i of B. Assumed: independent values, normal within each sample; variances may
    differ. Ties do not matter. With fewer than two values a side there is no test: all but the
    estimate is NaN. Two samples without any spread say nothing of how much another seed would
    change: p is 1 if they are equal, and NaN, not 0, if they differ.

    Args:
        a: values of A, such as one metric over seeds.
        b: values of B.

    The ten-run test of P0, table 3, made from its means and standard deviations:

    >>> ten = stats.zscore([float(v) for v in range(10)], ddof=1)
    >>> result = welch(76.8 + 8.26 * ten, 86.33 + 6.84 * ten)
    >>> round(result.statistic, 2), round(result.p_value, 4)
    (2.81, 0.0119)
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    n = min(len(x), len(y))
    estimate = float(y.mean() - x.mean()) if n else math.nan
    if n < 2:
        return undefined(estimate, n)
    if np.ptp(x) == 0 and np.ptp(y) == 0:
        if estimate == 0:
            return no_difference(n)
        return undefined(estimate, n)
    with warnings.catch_warnings():
        # SciPy warns of a sample without spread; the other one has some, so the test stands.
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(y, x, equal_var=False)
        low, high = test.confidence_interval(CONFIDENCE)
    effect = hedges_g(x, y)
    return TestResult(
        float(test.statistic), float(test.pvalue), estimate, float(low), float(high), effect, n
    )
