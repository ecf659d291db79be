"""What tests and intervals return, and how parts declare what they need.

Scores are shares of at least some faces, so values that differ by less than 1e-9 differ by rounding
alone: without rounding to `DECIMALS`, 0.72 - 0.70 and 0.73 - 0.71 would not tie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

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
    "holds_from",
    "mean_ranks",
    "no_difference",
    "pair_test",
    "undefined",
    "within_blocks",
    "without_spread",
]

CONFIDENCE = 0.95  # of every interval of the project
DECIMALS = 9

F = TypeVar("F", bound=Callable[..., Any])


class Interval(NamedTuple):
    """A mean and the bounds of its interval; NaN bounds where there is none."""

    mean: float
    low: float
    high: float


class TestResult(NamedTuple):
    """The result of comparing B with A; a positive estimate means that B is higher.

    Args:
        statistic: of the test.
        p_value: two-sided; NaN where the test is not defined.
        estimate: mean of B minus mean of A.
        low: lower bound of the estimate's 95 % interval.
        high: upper bound of it.
        effect_size: defined by each test.
        n: values per sample; the smaller number if they differ.
    """

    statistic: float
    p_value: float
    estimate: float
    low: float
    high: float
    effect_size: float
    n: int


class OmnibusResult(NamedTuple):
    """The result of comparing all variants at once.

    Args:
        statistic: of the test.
        p_value: of the null hypothesis that all variants are equal; NaN where the test is not
            defined.
        critical_difference: of two mean ranks; NaN where the test has none.
    """

    statistic: float
    p_value: float
    critical_difference: float


def undefined(estimate: float, n: int) -> TestResult:
    """The result where there is an estimate but no test."""
    return TestResult(math.nan, math.nan, estimate, math.nan, math.nan, math.nan, n)


def no_difference(n: int) -> TestResult:
    """The result where every value of B equals its pair in A."""
    return TestResult(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, n)


def without_spread(estimate: float, n: int) -> TestResult:
    """The result where all seeds agree: p = 1 without a difference, otherwise no test."""
    return no_difference(n) if estimate == 0 else undefined(estimate, n)


def pair_test(
    kind: Literal["seeds", "pairs", "rounds", "faces_best", "faces_mean", "evidence"],
    power: Literal["two_samples", "welch", "pairs", "discordant", "primary", "none"] = "none",
) -> Callable[[F], F]:
    """Declare what a test of two variants is called with, as attributes of its function.

    Args:
        kind: of its arguments; `ferbench.stats.comparisons` lists the kinds.
        power: how `ferbench.stats.power` finds the minimum difference that it detects.
    """
    return _declare(kind=kind, power=power)


def holds_from(n: int) -> Callable[[F], F]:
    """Declare from how many normal values on an interval covers the mean in 95 % of cases."""
    return _declare(holds_from=n)


def _declare(**facts: object) -> Callable[[F], F]:
    def mark(part: F) -> F:
        vars(part).update(facts)
        return part

    return mark


def differences(a: Sequence[float], b: Sequence[float]) -> NDArray[np.float64]:
    """(n,) value of B minus value of A, pair by pair, rounded to 9 decimals.

    Raises:
        ValueError: A and B differ in their number of values.

    >>> differences([0.70, 0.71], [0.72, 0.73]).tolist()
    [0.02, 0.02]
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"{len(x)} values of A cannot be paired with {len(y)} of B")
    return np.round(y - x, DECIMALS) + 0.0  # + 0.0 turns a negative zero into a plain one


def within_blocks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, k) rank of every variant in its block; 1 is the best, ties share their mean rank.

    Args:
        scores: (N, k) larger is better; values that agree to 9 decimals are ties.
    """
    return stats.rankdata(-np.round(scores, DECIMALS), axis=1)


def mean_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k,) mean rank of every variant.

    >>> mean_ranks(np.array([[0.9, 0.8, 0.7], [0.9, 0.9, 0.5]])).tolist()
    [1.25, 1.75, 3.0]
    """
    return within_blocks(scores).mean(axis=0)
