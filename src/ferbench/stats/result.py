"""What every test and every interval gives back."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = [
    "CONFIDENCE",
    "Interval",
    "OmnibusResult",
    "TestResult",
    "no_difference",
    "undefined",
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
