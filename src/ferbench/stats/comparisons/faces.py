"""Tests of two classifiers on the same test faces, each face taken alone or with its person.

`mcnemar` sources: McNemar, "Note on the sampling error of the difference between correlated
proportions or percentages", Psychometrika 12(2), 1947; for classifiers Dietterich, "Approximate
statistical tests for comparing supervised classification learning algorithms", Neural Computation
10(7), 1998. The mid-p form: Fagerland, Lydersen and Laake, "The McNemar test for binary
matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Medical Research
Methodology 13:91, 2013. The interval: Bonett and Price, "Adjusted Wald confidence interval for a
difference of binomial proportions based on paired data", Journal of Educational and Behavioral
Statistics 37(4), 2012. The exact test is computed by statsmodels.

`cluster_bootstrap` sources: Field and Welsh, "Bootstrapping clustered data", JRSS B 69(3), 2007
(whole clusters are drawn); Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference
with clustered errors", Review of Economics and Statistics 90(3), 2008 (why the difference is
divided by its standard error in every draw); Davison and Hinkley, "Bootstrap Methods and their
Application", 1997, section 4.4 (p-value).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.proportion import proportion_effectsize

from ferbench.stats.effects import cohens_g
from ferbench.stats.result import (
    CONFIDENCE,
    TestResult,
    differences,
    no_difference,
    pair_test,
    undefined,
)

__all__ = ["cluster_bootstrap", "mcnemar"]

_EXACT = 25  # discordant faces below which p is exact
_DRAWS = 4999  # p is a multiple of 1 / 5,000
_SEED = 0
_DECIMALS = 6  # of a person's sum; values are shares of some seeds


@pair_test("faces_best", power="discordant")
def mcnemar(a: Sequence[float], b: Sequence[float], groups: Sequence[Hashable]) -> TestResult:
    """McNemar's test, of faces that only one of two classifiers gets right; effect size Cohen's g.

    Null hypothesis: a face that only one of the two gets right (a discordant face) favours each
    with probability 1/2, so that their accuracies are equal. Pairs are the predictions for one
    face. Assumptions: independent faces, which several faces of a person are not: this test ignores
    `groups`, `cluster_bootstrap` accounts for them. The result is about two trained networks, not
    about other seeds. Ties, faces that both get right or both get wrong, do not matter.

    p is binomial: exact below 25 discordant faces, where the test is conservative, and mid-p (the
    exact p minus the probability of the observed count) from there on, where the exact test would
    still be too strict and mid-p keeps its level. The statistic is (only_b - only_a) / sqrt(only_a
    + only_b), the signed root of McNemar's chi-square. The bounds are Bonett and Price's, a Wald
    interval with one face added to either count; as an approximation it may disagree with p near
    the level.

    Args:
        a: (n,) 1 where A classifies the face correctly, else 0.
        b: (n,) the same for B.
        groups: (n,) the person of each face; not used.

    Raises:
        ValueError: a value is neither 0 nor 1.

    Of 100 faces, only A gets 2 right and only B 10: p = 2 * (1 + 12 + 66) / 2^12.

    >>> a, b = [1] * 60 + [1] * 2 + [0] * 10 + [0] * 28, [1] * 60 + [0] * 2 + [1] * 10 + [0] * 28
    >>> result = mcnemar(a, b, range(100))
    >>> round(result.p_value, 5), round(result.effect_size, 4), result.estimate
    (0.03857, 0.3333, 0.08)
    """
    d = differences(a, b)
    if not np.isin([*a, *b], (0, 1)).all():
        raise ValueError("values are neither 0 nor 1")
    n, only_a, only_b = len(d), int((d < 0).sum()), int((d > 0).sum())
    if n < 2:
        return undefined(float(d.mean()) if n else math.nan, n)
    low, high = _mcnemar_bounds(only_a, only_b, n)
    return TestResult(
        (only_b - only_a) / math.sqrt(max(only_a + only_b, 1)),
        _mcnemar_p(only_a, only_b),
        (only_b - only_a) / n,
        low,
        high,
        cohens_g(only_a, only_b),
        n,
    )


def _mcnemar_p(only_a: int, only_b: int) -> float:
    p = float(contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)
    if only_a + only_b < _EXACT:
        return p
    if only_a == only_b:
        return 1.0  # the two tails share one count, half of which belongs to each
    return p - float(stats.binom.pmf(only_a, only_a + only_b, 0.5))


def _mcnemar_bounds(only_a: int, only_b: int, n: int) -> tuple[float, float]:
    p, q = (only_b + 1) / (n + 2), (only_a + 1) / (n + 2)
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return max(p - q - half, -1.0), min(p - q + half, 1.0)


@pair_test("faces_mean")
def cluster_bootstrap(
    a: Sequence[float], b: Sequence[float], groups: Sequence[Hashable]
) -> TestResult:
    """Bootstrap of a difference of accuracies that resamples persons; the effect size is Cohen's h.

    Persons are drawn with replacement, as many as there are, each with all faces, 4,999 times.
    Every draw gives t* = (d* - d) / s*, with the difference of accuracies d* and its standard error
    s* over the drawn persons. The statistic is t = d / s, p = (1 + #{|t*| >= |t|}) / 5,000, and the
    bounds are d +- q * s, with the 95 % quantile q of |t*|: p <= 0.05 where they exclude 0.
    Dividing by s* keeps the level with a few dozen persons, for which quantiles of d* are too
    narrow. The draws are the same for every pair of a table.

    Null hypothesis: on the population that the persons were sampled from, A and B are equally
    accurate. Pairs are the predictions for one face. Assumptions: independent persons; faces of one
    person may depend on each other in any way. Values are means over seeds, so the result is about
    these trained networks on new persons, not about new seeds. Faces on which A and B agree (ties)
    count in the denominator only. With fewer than two persons, or where all persons differ by the
    same amount, there is no test; with fewer than ten it is rough. p cannot be below 0.0002, nor,
    after a correction, below that times the number of pairs. h = 2 * asin(sqrt(acc_b)) - 2 *
    asin(sqrt(acc_a)).

    Args:
        a: (n,) share of A's seeds that classify the face correctly.
        b: (n,) the same for B.
        groups: (n,) the person, or the image where the person is unknown.

    Forty faces of ten persons, of which only B gets those of four persons right. Treating faces as
    independent, McNemar's p would be 0.00003:

    >>> a, b, persons = np.zeros(40), np.repeat([1, 0], [16, 24]), np.repeat(range(10), 4)
    >>> result = cluster_bootstrap(a, b, persons)
    >>> round(result.estimate, 2), round(result.statistic, 2), 0.02 < result.p_value < 0.1
    (0.4, 2.45, True)
    """
    d = differences(a, b)
    who, persons = pd.factorize(np.asarray(groups, dtype=object))
    estimate = float(d.mean()) if len(d) else math.nan
    if len(persons) < 2:
        return undefined(estimate, len(d))
    if not d.any():
        return no_difference(len(d))
    faces = np.bincount(who).astype(np.float64)
    # Sums of thirds are whole numbers, or 0, only up to rounding.
    total = np.round(np.bincount(who, weights=d), _DECIMALS)
    moments = np.stack([total, faces, total**2, total * faces, faces**2], axis=1)
    _, error = _mean_and_error(moments.sum(axis=0), len(persons))
    if error == 0:
        # Either all persons differ by the same amount or each person's differences cancel.
        return undefined(estimate, len(d)) if total.any() else no_difference(len(d))
    t = estimate / float(error)
    drawn = _drawn_t(moments, estimate)
    p = (1 + int((drawn >= abs(t) * (1 - 1e-9)).sum())) / (_DRAWS + 1)
    half = float(np.sort(drawn)[math.ceil(CONFIDENCE * (_DRAWS + 1)) - 1]) * float(error)
    low, high = max(estimate - half, -1.0), min(estimate + half, 1.0)
    effect = float(proportion_effectsize(np.mean(b), np.mean(a)))
    return TestResult(t, p, estimate, low, high, effect, len(d))


def _drawn_t(moments: NDArray[np.float64], estimate: float) -> NDArray[np.float64]:
    """|t*| of every draw; infinite where all drawn persons differ by the same amount."""
    parts = np.array_split(_draws(len(moments)), 10)  # converted to floats in parts, to save memory
    sums = np.concatenate([part.astype(np.float64) @ moments for part in parts])
    mean, error = _mean_and_error(sums, len(moments))
    away = np.abs(mean - estimate)
    infinite = np.where(away > 10**-_DECIMALS, np.inf, 0.0)
    return np.divide(away, error, out=infinite, where=error > 0)


def _mean_and_error(
    sums: NDArray[np.float64], persons: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean difference per face, and its standard error as a linearised ratio.

    Args:
        sums: (..., 5) over persons of: difference, faces, difference^2, their product, faces^2.
        persons: their number.
    """
    total, faces, total2, both, faces2 = np.moveaxis(sums, -1, 0)
    mean = total / faces
    squares = total2 - 2 * mean * both + mean**2 * faces2
    # Squares that cancel up to rounding are no spread.
    squares = np.where(squares > 1e-9 * np.maximum(total2, 1e-9), squares, 0.0)
    return mean, np.sqrt(persons / (persons - 1) * squares) / faces


@functools.lru_cache(maxsize=2)
def _draws(persons: int) -> NDArray[np.uint8]:
    """(draws, persons) how often each person is drawn."""
    rng = np.random.default_rng(_SEED)
    rows = (rng.integers(persons, size=persons) for _ in range(_DRAWS))
    return np.stack([np.bincount(row, minlength=persons).astype(np.uint8) for row in rows])
