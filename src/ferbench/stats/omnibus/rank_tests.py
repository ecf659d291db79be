"""Tests of mean ranks: Friedman's test of all variants and Nemenyi's test of all their pairs.

Sources: Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis
of variance", JASA 32(200), 1937; computed by SciPy. Nemenyi, "Distribution-free multiple
comparisons", thesis, Princeton, 1963; p-values of the pairs by scikit-posthocs, quantiles by SciPy.
For classifiers both: Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR
7, 2006, section 3.2.2.

Null hypothesis of both: within a block every order of the variants is equally likely. Pairs are the
scores of one block. Assumptions: independent blocks; seeds on one test set are not independent data
sets, and the result is then about that data set only. Tied scores share their mean rank.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import scikit_posthocs
from numpy.typing import NDArray
from scipy import stats

from ferbench.stats.result import OmnibusResult, mean_ranks, within_blocks

__all__ = ["friedman", "nemenyi"]


def friedman(scores: NDArray[np.float64], alpha: float) -> OmnibusResult:
    """Test whether all variants have the same mean rank.

    chi2 = 12 N / (k (k + 1)) * (sum of squared mean ranks - k (k + 1)^2 / 4), corrected for ties,
    with k - 1 degrees of freedom. p is from the chi-square approximation, conservative with few
    blocks. Not defined (NaN) for fewer than three variants, which a test of pairs compares, or
    fewer than two blocks; p is 1 where all variants tie in every block.

    Args:
        scores: (N, k) larger is better.
        alpha: not used; the test has no critical difference.

    Table 6 of Demsar: four variants of C4.5 on fourteen data sets have the mean ranks 3.143, 2.000,
    2.893 and 1.964, and chi2 9.28. Here, two orders of three variants:

    >>> result = friedman(np.array([[3.0, 2.0, 1.0]] * 5 + [[2.0, 3.0, 1.0]] * 5), 0.05)
    >>> round(result.statistic, 2), round(result.p_value, 5)
    (15.0, 0.00055)
    """
    blocks, variants = scores.shape
    if blocks < 2 or variants < 3:
        return OmnibusResult(math.nan, math.nan, math.nan)
    ranks = within_blocks(scores)
    if np.ptp(ranks) == 0:
        return OmnibusResult(0.0, 1.0, math.nan)
    test = stats.friedmanchisquare(*ranks.T)
    return OmnibusResult(float(test.statistic), float(test.pvalue), math.nan)


def nemenyi(scores: NDArray[np.float64], alpha: float) -> OmnibusResult:
    """Compute the critical difference, above which two mean ranks differ significantly.

    CD = q * sqrt(k (k + 1) / (6 N)), with q the quantile of the studentised range of k values and
    infinitely many degrees of freedom, divided by sqrt(2). The statistic is the largest difference
    of two mean ranks divided by sqrt(k (k + 1) / (6 N)), to be compared with q; p is the smallest
    of all pairs, already corrected for their number. Ties make the test conservative. It usually
    follows `friedman`, but keeps its level by itself. Not defined (NaN) for fewer than two variants
    or two blocks.

    Args:
        scores: (N, k) larger is better.
        alpha: probability of separating any two variants that are equal.

    Demsar's example, four variants on fourteen data sets, at 10 %: CD = 2.291 * sqrt(4 * 5 / 84).

    >>> scores = np.random.default_rng(0).random((14, 4))
    >>> round(nemenyi(scores, 0.1).critical_difference, 2)
    1.12
    """
    blocks, variants = scores.shape
    if blocks < 2 or variants < 2:
        return OmnibusResult(math.nan, math.nan, math.nan)
    unit = math.sqrt(variants * (variants + 1) / (6 * blocks))
    # Passing ranks, not scores, makes values that agree to 9 decimals ties here too.
    p = scikit_posthocs.posthoc_nemenyi_friedman(within_blocks(scores)).to_numpy().min()
    return OmnibusResult(
        statistic=float(np.ptp(mean_ranks(scores))) / unit,
        p_value=min(float(p), 1.0),
        critical_difference=_quantile(variants, alpha) * unit,
    )


@functools.lru_cache(maxsize=64)
def _quantile(variants: int, alpha: float) -> float:
    """The q of Demsar's table 5(a)."""
    return float(stats.studentized_range.ppf(1 - alpha, variants, np.inf)) / math.sqrt(2)
