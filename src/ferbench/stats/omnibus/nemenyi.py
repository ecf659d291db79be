"""Nemenyi's test of all pairs by their mean ranks.

Source: Nemenyi, "Distribution-free multiple comparisons", thesis, Princeton, 1963; Demsar,
"Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, section 3.2.2. The
p-values of the pairs are computed by scikit-posthocs, quantiles by SciPy.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import scikit_posthocs
from numpy.typing import NDArray
from scipy import stats

from ferbench.stats.result import OmnibusResult, mean_ranks, within_blocks

__all__ = ["nemenyi"]


def nemenyi(scores: NDArray[np.float64], alpha: float) -> OmnibusResult:
    """Give the difference that two mean ranks must have to be told apart.

    CD = q * sqrt(k (k + 1) / (6 N)), with q the quantile of the studentised range of k values and
    infinitely many degrees of freedom, over sqrt(2). The statistic is the largest difference of two
    mean ranks over sqrt(k (k + 1) / (6 N)), to be held against q; p is the least one of all pairs,
    already corrected for their number.

    Null hypothesis: within a block every order of the variants is equally likely. Paired are the
    scores of one block. Assumed: independent blocks; seeds on one test set are not independent data
    sets. Tied scores share their mean rank, which makes the test cautious. Meant to follow
    `friedman`, but it holds its level by itself. Not defined (NaN) for fewer than two variants or
    two blocks.

    Args:
        scores: (N, k) larger is better.
        alpha: chance to tell any two variants apart that are alike.

    Demsar's example, four variants on fourteen data sets, at 10 %: CD = 2.291 * sqrt(4 * 5 / 84).

    >>> scores = np.random.default_rng(0).random((14, 4))
    >>> round(nemenyi(scores, 0.1).critical_difference, 2)
    1.12
    """
    blocks, variants = scores.shape
    if blocks < 2 or variants < 2:
        return OmnibusResult(math.nan, math.nan, math.nan)
    unit = math.sqrt(variants * (variants + 1) / (6 * blocks))
    # Ranks of ranks are the same ranks, and equal scores are ties in them too.
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
