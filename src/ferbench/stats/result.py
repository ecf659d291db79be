"""What every test and every interval gives back."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CONFIDENCE", "Interval", "TestResult"]

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
