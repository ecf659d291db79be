"""The corrected resampled t-test.

Source: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52(3), 2003
(the corrected resampled t-test); Bouckaert and Frank, "Evaluating the replicability of significance
tests for comparing learning algorithms", PAKDD 2004.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from ferbench.stats.effects import cohens_d_z
from ferbench.stats.result import CONFIDENCE, TestResult, differences, no_difference, undefined

__all__ = ["corrected_t"]

INPUT = "rounds"
POWER = "none"


def corrected_t(a: Sequence[float], b: Sequence[float], test_share: float) -> TestResult:
    """Compare two variants over rounds that split one data set anew; the effect size is d_z.

    t = mean(d) / sqrt(s^2(d) * (1/J + n_test/n_train)) over J rounds, with J - 1 degrees.

    Null hypothesis: trained on n_train images, A and B are equally good in the mean over all
    training sets of that size. Paired are values of one round. Assumed: normal differences that
    correlate between rounds as n_test / (n_test + n_train), because rounds share training images;
    the plain paired t-test takes them for independent and finds differences that are not there.
    The correction is a rule of thumb. It is meant for data sets whose row says `resplit`; where all
    seeds share one split, the spread is of the seeds alone: the test is then stricter than
    `paired_t`, but still says nothing of other splits. Ties do not matter. With fewer than two
    rounds there is no test. Differences without any spread give p = 1 if they are zero, and NaN if
    not.

    Args:
        a: values of A by round.
        b: values of B by the same rounds.
        test_share: number of test images over number of training images.

    Raises:
        ValueError: `test_share` is not a positive number.

    Ten rounds of 90 % and 10 % with mean difference 0.02 and deviation 0.02: the plain test has
    t = 3.16 and p = 0.011.

    >>> d = 0.02 + 0.02 * stats.zscore([float(v) for v in range(10)], ddof=1)
    >>> result = corrected_t([0.0] * 10, d, 10 / 90)
    >>> round(result.statistic, 4), round(result.p_value, 4)
    (2.1764, 0.0575)
    """
    if not 0 < test_share < math.inf:
        raise ValueError(f"no share of test images: {test_share}")
    d = differences(a, b)
    n = len(d)
    estimate = float(d.mean()) if n else math.nan
    if n < 2:
        return undefined(estimate, n)
    if np.ptp(d) == 0:
        return no_difference(n) if estimate == 0 else undefined(estimate, n)
    error = float(d.std(ddof=1)) * math.sqrt(1 / n + test_share)
    t = estimate / error
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    p = 2 * float(stats.t.sf(abs(t), n - 1))
    return TestResult(t, p, estimate, estimate - half, estimate + half, cohens_d_z(d), n)
