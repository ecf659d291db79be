"""What every test and every interval gives back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "CONFIDENCE",
    "DECIMALS",
    "Interval",
    "OmnibusResult",
    "TestResult",
    "differences",
    "mean_ranks",
    "no_difference",
    "undefined",
    "within_blocks",
]

# Of every interval of the project.
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean and the bounds of its interval; NaN bounds where there is none."""

    mean: float
    low: float
    high: float


class TestResult(NamedTuple):
    """The outcome of comparing B with A; a positive estimate says that B is higher.

    Args:
        statistic: of the test.
        p_value: two-sided; NaN where the test is not defined.
        estimate: mean of B minus mean of A.
        low: lower bound of the estimate's 95 % interval.
        high: upper bound of it.
        effect_size: as the test's own file defines it.
        n: values a side; the smaller number if they differ.
    """

    statistic: float
    p_value: float
    estimate: float
    low: float
    high: float
    effect_size: float
    n: int


class OmnibusResult(NamedTuple):
    """The outcome of comparing all variants at once.

    Args:
        statistic: of the test.
        p_value: of "all variants are alike"; NaN where the test is not defined.
        critical_difference: of two mean ranks; NaN where the test has none.
    """

    statistic: float
    p_value: float
    critical_difference: float


def undefined(estimate: float, n: int) -> TestResult:
    """The outcome where there is an estimate but no test."""
    return TestResult(math.nan, math.nan, estimate, math.nan, math.nan, math.nan, n)


def no_difference(n: int) -> TestResult:
    """The outcome where every value of B equals its fellow of A."""
    return TestResult(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, n)


# MERGED from ferbench.stats.result:
# Differences of paired values.


# Scores are shares of at least some faces: what differs by less differs by rounding alone. Without
# it 0.72 - 0.70 and 0.73 - 0.71 would be no tie.
DECIMALS = 9


def differences(a: Sequence[float], b: Sequence[float]) -> NDArray[np.float64]:
    """(n,) value of B minus value of A, pair by pair, to 9 decimals.

    Raises:
        ValueError: A and B have not the same number of values.

    >>> differences([0.70, 0.71], [0.72, 0.73]).tolist()
    [0.02, 0.02]
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"{len(x)} values of A cannot be paired with {len(y)} of B")
    # + 0.0 makes the negative zero that rounding may leave a plain one.
    return np.round(y - x, DECIMALS) + 0.0


# MERGED from ferbench.stats.result:
# Ranks of variants within blocks.


def within_blocks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, k) rank of every variant in its block; 1 is the best, ties share their mean rank.

    Args:
        scores: (N, k) larger is better; what agrees to 9 decimals is a tie.
    """
    return stats.rankdata(-np.round(scores, DECIMALS), axis=1)


def mean_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k,) mean rank of every variant.

    >>> mean_ranks(np.array([[0.9, 0.8, 0.7], [0.9, 0.9, 0.5]])).tolist()
    [1.25, 1.75, 3.0]
    """
    return within_blocks(scores).mean(axis=0)
