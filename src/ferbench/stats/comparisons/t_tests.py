"""t-tests over seeds: of independent samples, of pairs, and of rounds that share training images.

Sources: Student, "The probable error of a mean", Biometrika 6(1), 1908 (`independent_t`, the test
of P0's table 3, and `paired_t`). Welch, "The generalization of Student's problem when several
different population variances are involved", Biometrika 34(1-2), 1947 (`welch`). Nadeau and Bengio,
"Inference for the generalization error", Machine Learning 52(3), 2003, and Bouckaert and Frank,
"Evaluating the replicability of significance tests for comparing learning algorithms", PAKDD 2004
(`corrected_t`). All but the last are computed by SciPy.

In all of them ties do not matter, fewer than two values per sample are no test (NaN except for the
estimate), and values without any spread give p = 1 if there is no difference and NaN otherwise.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from ferbench.stats.effects import cohens_d_z, hedges_g
from ferbench.stats.result import (
    CONFIDENCE,
    TestResult,
    differences,
    pair_test,
    undefined,
    without_spread,
)

__all__ = ["corrected_t", "independent_t", "paired_t", "welch"]


@pair_test("seeds", power="two_samples")
def independent_t(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Student's t-test of two independent means; the effect size is Hedges' g.

    t = (mean b - mean a) / sqrt(s^2 * (1/n_a + 1/n_b)), s^2 pooled over n_a + n_b - 2 degrees.

    Null hypothesis: both populations have the same mean. Nothing is paired. Assumptions:
    independent values, normal within each sample, and the same variance in both populations.
    `welch` does without the last and is the better choice unless a paper used this one.

    Args:
        a: values of A, such as one metric over seeds.
        b: values of B.

    The ten-run test of P0, table 3, from its means and standard deviations; the paper prints 2.81
    and 0.01:

    >>> ten = stats.zscore([float(v) for v in range(10)], ddof=1)
    >>> result = independent_t(76.8 + 8.26 * ten, 86.33 + 6.84 * ten)
    >>> round(result.statistic, 3), round(result.p_value, 4)
    (2.81, 0.0116)
    """
    return _two_samples(a, b, equal_var=True)


@pair_test("seeds", power="welch")
def welch(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Welch's t-test of two independent means; the effect size is Hedges' g.

    Null hypothesis: both populations have the same mean. Nothing is paired. Assumptions:
    independent values, normal within each sample; variances may differ. Two samples without any
    spread do not show how much another seed would change: if they differ, p is NaN, not 0.

    Args:
        a: values of A, such as one metric over seeds.
        b: values of B.

    The ten-run test of P0, table 3, from its means and standard deviations:

    >>> ten = stats.zscore([float(v) for v in range(10)], ddof=1)
    >>> result = welch(76.8 + 8.26 * ten, 86.33 + 6.84 * ten)
    >>> round(result.statistic, 2), round(result.p_value, 4)
    (2.81, 0.0119)
    """
    return _two_samples(a, b, equal_var=False)


@pair_test("pairs", power="pairs")
def paired_t(a: Sequence[float], b: Sequence[float]) -> TestResult:
    """Student's t-test of paired differences; the effect size is Cohen's d_z.

    t = mean(d) / (s(d) / sqrt(n)) with d = b - a and n - 1 degrees of freedom.

    Null hypothesis: the differences B - A have mean 0. Pairs are values of one seed, which share
    the split and the start of the random numbers. Assumptions: independent, normal differences.
    Rounds that draw their training images from one data set are not independent of each other; use
    `corrected_t` for them.

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
        return without_spread(estimate, n)
    return _of_scipy(stats.ttest_1samp(d, 0.0), estimate, cohens_d_z(d), n)


@pair_test("rounds")
def corrected_t(a: Sequence[float], b: Sequence[float], test_share: float) -> TestResult:
    """Corrected resampled t-test, for rounds that split one data set anew; effect size d_z.

    t = mean(d) / sqrt(s^2(d) * (1/J + n_test/n_train)) over J rounds, with J - 1 degrees.

    Null hypothesis: trained on n_train images, A and B are equally good on average over all
    training sets of that size. Pairs are values of one round. Assumptions: normal differences that
    correlate between rounds as n_test / (n_test + n_train), because rounds share training images;
    the plain paired t-test treats them as independent and rejects too often. The correction is a
    rule of thumb. It is meant for data sets with `resplit`; where all seeds share one split, the
    spread is of the seeds alone: the test is then stricter than `paired_t`, but still does not
    generalise to other splits.

    Args:
        a: values of A by round.
        b: values of B by the same rounds.
        test_share: number of test images divided by number of training images.

    Raises:
        ValueError: `test_share` is not a positive number.

    Ten rounds of 90 % and 10 % with mean difference 0.02 and deviation 0.02; the plain test has
    t = 3.16 and p = 0.011:

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
        return without_spread(estimate, n)
    error = float(d.std(ddof=1)) * math.sqrt(1 / n + test_share)
    t = estimate / error
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    p = 2 * float(stats.t.sf(abs(t), n - 1))
    return TestResult(t, p, estimate, estimate - half, estimate + half, cohens_d_z(d), n)


def _two_samples(a: Sequence[float], b: Sequence[float], *, equal_var: bool) -> TestResult:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    n = min(len(x), len(y))
    estimate = float(y.mean() - x.mean()) if n else math.nan
    if n < 2:
        return undefined(estimate, n)
    if np.ptp(x) == 0 and np.ptp(y) == 0:
        return without_spread(estimate, n)
    with warnings.catch_warnings():
        # SciPy warns of a sample without spread; the other one has some, so the test stands.
        warnings.simplefilter("ignore", RuntimeWarning)
        return _of_scipy(stats.ttest_ind(y, x, equal_var=equal_var), estimate, hedges_g(x, y), n)


def _of_scipy(test: Any, estimate: float, effect: float, n: int) -> TestResult:
    low, high = test.confidence_interval(CONFIDENCE)
    statistic, p = float(test.statistic), float(test.pvalue)
    return TestResult(statistic, p, estimate, float(low), float(high), effect, n)
