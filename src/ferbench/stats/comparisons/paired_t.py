"""The t-test of paired differences.

Source: Student, "The probable error of a mean", Biometrika 6(1), 1908. Computed by SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.effects import cohens_d_z
from ferbench.stats.result import CONFIDENCE, TestResult, differences, no_difference, undefined

__all__ = ["paired_t"]

INPUT = "pairs"
POWER = "pairs"


def paired_t(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Test whether paired differences have mean 0; the effect size is Cohen's d_z.

    t = mean(d) / (s(d) / sqrt(n)) with d = b - a and n - 1 degrees of freedom.

    Null hypothesis: the differences B - A have mean 0. Paired are values of one seed, which share
    the split and the start of the random numbers. Assumed: independent, normal differences. Rounds
    that draw their training images from one data set are not independent of each other; for them
    take `corrected_t`. Ties do not matter. With fewer than two pairs there is no test. Differences
    without any spread give p = 1 if they are zero, and NaN if not.

    Args:
        a: values of A by seed.
        b: values of B by the same seeds.

    Student's own example, hours of sleep that two drugs add for ten patients (1908, section IX):

    >>> first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    >>> second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    >>> result = paired_t(first, second)
    >>> round(result.statistic, 4), round(result.p_value, 6)
    (4.0621, 0.002833)
    """
    d = differences(a, b)
    n = len(d)
    estimate = float(d.mean()) if n else math.nan
    if n < 2:
        return undefined(estimate, n)
    if np.ptp(d) == 0:
        return no_difference(n) if estimate == 0 else undefined(estimate, n)
    test = stats.ttest_1samp(d, 0.0)
    low, high = test.confidence_interval(CONFIDENCE)
    effect = cohens_d_z(d)
    return TestResult(
        float(test.statistic), float(test.pvalue), estimate, float(low), float(high), effect, n
    )
