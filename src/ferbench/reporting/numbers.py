"""Numbers as text for people; files keep fractions."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence

from ferbench import plugins
from ferbench.evaluation.scoring import higher_is_better
from ferbench.stats.study import load_test

__all__ = [
    "NOTHING",
    "count",
    "decimal",
    "interval",
    "is_share",
    "listed",
    "lower_is_better",
    "p_value",
    "percent",
    "points",
    "sample_size",
    "seed_count",
]

NOTHING = "–"
_METRICS = "ferbench.evaluation.metrics"


def decimal(number: float | None, digits: int) -> str:
    """A number with so many decimals; a dash for None and NaN."""
    if number is None or math.isnan(number):
        return NOTHING
    return f"{number:.{digits}f}".replace("-", "−")


def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction in per cent, without the sign.

    >>> percent(0.7236), percent(float("nan"))
    ('72.4', '–')
    """
    return decimal(None if fraction is None else 100 * fraction, digits)


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign.

    >>> points(0.0312), points(-0.5)
    ('+3.1', '−50.0')
    """
    if math.isnan(difference):
        return NOTHING
    return f"{100 * difference:+.1f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """The bounds of an interval of fractions, in per cent.

    >>> interval(0.667, 0.7779)
    '66.7 to 77.8'
    """
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{percent(low)} to {percent(high)}"


def p_value(p: float) -> str:
    """A p-value to three decimals.

    >>> p_value(0.0312), p_value(2e-7), p_value(float("nan"))
    ('0.031', '< 0.001', '–')
    """
    if math.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: float | None) -> str:
    """A whole number with thousands separators.

    >>> count(7790011)
    '7,790,011'
    """
    return NOTHING if number is None else f"{number:,.0f}"


def listed(names: Sequence[str]) -> str:
    """Names as an enumeration.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def seed_count(number: int) -> str:
    """A number of seeds.

    >>> seed_count(1), seed_count(3)
    ('1 seed', '3 seeds')
    """
    return f"{number} seed" + ("" if number == 1 else "s")


def sample_size(number: int, test: str) -> str:
    """The sample size of a test of two variants, in its unit: seeds or test faces.

    >>> sample_size(3, "welch"), sample_size(1534, "mcnemar")
    ('3 seeds', '1,534 test faces')
    """
    if load_test(test).kind.startswith("faces"):
        return f"{count(number)} test faces"
    return seed_count(number)


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1, and so is written in per cent.

    >>> is_share("accuracy"), is_share("kappa")
    (True, False)
    """
    if metric not in plugins.names(_METRICS):
        return True
    bounds = importlib.import_module(f"{_METRICS}.{metric}").BOUNDS
    return tuple(bounds) == (0.0, 1.0)


def lower_is_better(metric: str) -> bool:
    """Whether a lower value of a metric is better.

    >>> lower_is_better("ece"), lower_is_better("accuracy")
    (True, False)
    """
    return not higher_is_better(metric)
