"""McNemar's test of two classifiers on the same faces.

Source: McNemar, "Note on the sampling error of the difference between correlated proportions or
percentages", Psychometrika 12(2), 1947; for classifiers Dietterich, "Approximate statistical tests
for comparing supervised classification learning algorithms", Neural Computation 10(7), 1998. The
mid-p form: Fagerland, Lydersen and Laake, "The McNemar test for binary matched-pairs data: mid-p
and asymptotic are better than exact conditional", BMC Medical Research Methodology 13:91, 2013.
The interval: Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial
proportions based on paired data", Journal of Educational and Behavioral Statistics 37(4), 2012.
The exact test is computed by statsmodels.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from scipy import stats
from statsmodels.stats import contingency_tables

from ferbench.stats.effects import cohens_g
from ferbench.stats.result import CONFIDENCE, TestResult, differences, undefined

__all__ = ["mcnemar"]

INPUT = "faces_best"
POWER = "discordant"

_EXACT = 25  # discordant faces below which p is exact


def mcnemar(a: Sequence[float], b: Sequence[float], groups: Sequence[Hashable]) -> TestResult:
    """Compare two classifiers by the faces that one alone has right; the effect size is Cohen's g.

    Null hypothesis: a face that one of the two has wrong and the other right favours each with
    chance 1/2, so that their accuracies are equal. Paired are the answers to one face. Assumed:
    faces are independent, which several faces of a person are not; `cluster_bootstrap` minds them,
    this test takes no notice of `groups`. It judges two trained networks, not what another seed
    would give. Ties, faces that both have right or wrong, say nothing for either side.

    p is binomial: exact below 25 discordant faces, where it errs on the safe side, and mid-p (the
    exact one less the chance of the very count) from there on, where the exact test is too strict
    still and mid-p keeps its level. The statistic is (only_b - only_a) / sqrt(only_a + only_b), the
    signed root of McNemar's chi-square. The bounds are Bonett and Price's, a Wald interval with one
    face added to either count; being an approximation, it may part from p at the margin.

    Args:
        a: (n,) 1 where A has the face right, else 0.
        b: (n,) the same of B.
        groups: (n,) who is on the face.

    Raises:
        ValueError: a value is neither 0 nor 1.

    Of 100 faces, A alone has 2 right and B alone 10: p = 2 * (1 + 12 + 66) / 2^12.

    >>> a, b = [1] * 60 + [1] * 2 + [0] * 10 + [0] * 28, [1] * 60 + [0] * 2 + [1] * 10 + [0] * 28
    >>> result = mcnemar(a, b, range(100))
    >>> round(result.p_value, 5), round(result.effect_size, 4), result.estimate
    (0.03857, 0.3333, 0.08)
    """
    d = differences(a, b)
    if not np.isin([*a, *b], (0, 1)).all():
        raise ValueError("answers are neither 0 nor 1")
    n, only_a, only_b = len(d), int((d < 0).sum()), int((d > 0).sum())
    if n < 2:
        return undefined(float(d.mean()) if n else math.nan, n)
    low, high = _bounds(only_a, only_b, n)
    return TestResult(
        (only_b - only_a) / math.sqrt(max(only_a + only_b, 1)),
        _p_value(only_a, only_b),
        (only_b - only_a) / n,
        low,
        high,
        cohens_g(only_a, only_b),
        n,
    )


def _p_value(only_a: int, only_b: int) -> float:
    p = float(contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)
    if only_a + only_b < _EXACT:
        return p
    if only_a == only_b:
        # The two tails meet in one count, which belongs half to each.
        return 1.0
    return p - float(stats.binom.pmf(only_a, only_a + only_b, 0.5))


def _bounds(only_a: int, only_b: int, n: int) -> tuple[float, float]:
    p, q = (only_b + 1) / (n + 2), (only_a + 1) / (n + 2)
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return max(p - q - half, -1.0), min(p - q + half, 1.0)
