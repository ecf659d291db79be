"""Friedman's test.

Source: Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis of
variance", JASA 32(200), 1937; for classifiers Demsar, "Statistical comparisons of classifiers over
multiple data sets", JMLR 7, 2006, section 3.2.2. Computed by SciPy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ferbench.stats.result import OmnibusResult, within_blocks

__all__ = ["friedman"]


def friedman(scores: NDArray[np.float64], alpha: float) -> OmnibusResult:
    """Test whether all variants have one mean rank.

    chi2 = 12 N / (k (k + 1)) * (sum of squared mean ranks - k (k + 1)^2 / 4), corrected for ties,
    with k - 1 degrees of freedom.

    Null hypothesis: within a block every order of the variants is equally likely. Paired are the
    scores of one block. Assumed: independent blocks; seeds on one test set are not independent data
    sets, and what the test says is then true of that data set alone. Tied scores share their mean
    rank. p is of the chi-square approximation, too cautious with few blocks. Not defined (NaN) for
    fewer than three variants, of which `comparisons` has tests, or fewer than two blocks; p is 1
    where all variants tie in every block.

    Args:
        scores: (N, k) larger is better.
        alpha: of no use here; the test has no critical difference.

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
