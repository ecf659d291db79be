"""Effect sizes, and the minimum difference that a test detects.

Power is 80 %, the convention of Cohen, "Statistical Power Analysis for the Behavioral Sciences",
2nd edition, 1988, chapter 2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

__all__ = [
    "POWER",
    "cohens_d_z",
    "cohens_g",
    "detectable",
    "detectable_t",
    "hedges_g",
    "rank_biserial",
]

POWER = 0.8
_QUANTILES = 2000


def hedges_g(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Standardised difference of means B - A, corrected for small-sample bias.

    g = J * (mean b - mean a) / s, with the pooled standard deviation s over df = n_a + n_b - 2 and
    the exact J = Gamma(df/2) / (sqrt(df/2) * Gamma((df-1)/2)).

    Source: Hedges, "Distribution theory for Glass's estimator of effect size and related
    estimators", Journal of Educational Statistics 6(2), 1981.

    Returns:
        NaN with fewer than two values per sample, or without any spread.

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


def cohens_d_z(difference: NDArray[np.float64]) -> float:
    """Mean of paired differences over their standard deviation (n - 1).

    Larger than Hedges' g where A and B are correlated, because only the spread of the differences
    counts; do not compare the two.

    Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988,
    chapter 2.

    Args:
        difference: (n,) B - A.

    Returns:
        NaN with fewer than two differences, or without any spread.

    >>> cohens_d_z(np.array([1.0, 2.0, 3.0]))
    2.0
    """
    if len(difference) < 2 or np.ptp(difference) == 0:
        return math.nan
    return float(difference.mean() / difference.std(ddof=1))


def rank_biserial(difference: NDArray[np.float64]) -> float:
    """Share of the rank sum that favours B minus the share that favours A, in [-1, 1].

    (W+ - W-) / (W+ + W-) over the ranks of the absolute differences; zeros are dropped.

    Source: Kerby, "The simple difference formula: an approach to teaching nonparametric
    correlation", Comprehensive Psychology 3, 2014.

    Args:
        difference: (n,) B - A.

    Returns:
        0 where all differences are zero.

    >>> rank_biserial(np.array([1.0, 2.0, -3.0, 0.0]))
    0.0
    >>> rank_biserial(np.array([1.0, 2.0, 3.0, -4.0]))
    0.2
    """
    known = difference[difference != 0]
    if not len(known):
        return 0.0
    ranks = stats.rankdata(np.abs(known))
    return float((np.sign(known) * ranks).sum() / ranks.sum())


def cohens_g(only_a: int, only_b: int) -> float:
    """How far the faces that only one variant gets right favour B, in [-0.5, 0.5].

    g = only_b / (only_a + only_b) - 1/2. McNemar's odds ratio is (1/2 + g) / (1/2 - g); g is used
    instead because it stays finite when one of the counts is 0. Cohen calls 0.05, 0.15 and 0.25
    small, medium and large.

    Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988,
    chapter 5.

    Args:
        only_a: number of faces that only A gets right.
        only_b: number of faces that only B gets right.

    Returns:
        0 without such faces.

    >>> cohens_g(5, 15)
    0.25
    """
    return only_b / (only_a + only_b) - 0.5 if only_a + only_b else 0.0


def detectable(kind: str, n: int, spread: float, alpha: float) -> float:
    """The minimum true difference that a two-sided test detects with a power of 80 %.

    - `two_samples`: t-test of n seeds per variant; `spread` is their standard deviation.
    - `pairs`: t-test of n differences; `spread` is their standard deviation.
    - `discordant`: McNemar's test on n faces; `spread` is the square root of the share of faces
      that only one variant gets right. Source: Connor, "Sample size for testing differences in
      proportions for the paired-sample design", Biometrics 43(1), 1987, solved for the difference.
      Faces are taken as independent, so several faces per person make it optimistic.

    The first two are `detectable_t`.

    Args:
        kind: the formula that the test declares by `ferbench.stats.result.pair_test`.
        n: values per sample, pairs or faces.
        spread: as above, in the unit of the values.
        alpha: level of significance.

    Returns:
        NaN with fewer than two seeds or pairs, or where even discordant faces that all favour one
        variant would not suffice.

    With a standard deviation of one point, three seeds detect 3.1 points, ten seeds 1.3:

    >>> [round(detectable("two_samples", n, 0.01, 0.05), 4) for n in (3, 10)]
    [0.0307, 0.0132]

    On 3,589 faces, 20 % of them discordant:

    >>> round(detectable("discordant", 3589, 0.2**0.5, 0.05), 4)
    0.0209
    """
    if kind == "discordant":
        return _discordant(n, spread**2, alpha)
    if n < 2 or math.isnan(spread):
        return math.nan
    if kind == "two_samples":
        return detectable_t(spread * math.sqrt(2 / n), 2 * n - 2, alpha)
    if kind == "pairs":
        return detectable_t(spread / math.sqrt(n), n - 1, alpha)
    raise ValueError(f"no formula {kind!r}")


def detectable_t(error: float, df: float, alpha: float) -> float:
    """The minimum true difference that a two-sided t-test with this standard error detects.

    error * d, where the noncentral t distribution with noncentrality d and df degrees of freedom
    exceeds the critical value in either direction with a probability of 80 %. It is above the
    critical value, so that an observed difference of this size is always significant.

    Args:
        error: standard error of the difference.
        df: degrees of freedom, above 0; they need not be whole.
        alpha: level of significance.

    Returns:
        NaN without a standard error or degrees of freedom: without any spread there is no test.

    Five seeds whose paired differences have a standard deviation of one point; alone, and as one
    pair of ten:

    >>> [round(detectable_t(0.01 / 5**0.5, 4, alpha), 4) for alpha in (0.05, 0.005)]
    [0.0168, 0.0316]
    """
    if not (error > 0 and df > 0):
        return math.nan
    critical = float(stats.t.ppf(1 - alpha / 2, df))
    # The noncentral t distribution as a mean of normal ones over quantiles of the estimated error:
    # SciPy's own is not defined far out, where few degrees of freedom need it.
    errors = np.sqrt(stats.chi2.ppf((np.arange(_QUANTILES) + 0.5) / _QUANTILES, df) / df)

    def excess(d: float) -> float:
        beyond = stats.norm.cdf(d - critical * errors) + stats.norm.cdf(-d - critical * errors)
        return float(beyond.mean()) - POWER

    return error * float(optimize.brentq(excess, 0.0, 5 + critical * errors.max()))


def _discordant(n: int, share: float, alpha: float) -> float:
    """The positive root of sqrt(n) x = z_a sqrt(share) + z_b sqrt(share - x^2)."""
    z_a, z_b = float(stats.norm.ppf(1 - alpha / 2)), float(stats.norm.ppf(POWER))
    rest = n + z_b**2 - z_a**2
    if math.isnan(share) or rest < 0:
        return math.nan
    x = math.sqrt(share) * (math.sqrt(n) * z_a + z_b * math.sqrt(rest)) / (n + z_b**2)
    return x if x <= share else math.nan
