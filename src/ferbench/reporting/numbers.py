"""Numbers as text for people; files keep fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = [
    "NOTHING",
    "count",
    "decimal",
    "interval",
    "listed",
    "metric_words",
    "p_value",
    "percent",
    "points",
    "seed_count",
]

NOTHING = "–"


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


def metric_words(metric: str) -> str:
    """A metric as tables name it, for people.

    >>> metric_words("recall:anger"), metric_words("confused:anger:disgust")
    ('recall of anger', 'anger predicted as disgust')
    >>> metric_words("std:map50"), metric_words("delta:ap50:anger"), metric_words("f1_macro")
    ('std of map50', 'delta of ap50 of anger', 'f1 macro')
    """
    name, _, rest = metric.replace("_", " ").partition(":")
    if name == "confused":
        return " predicted as ".join(rest.split(":"))
    return f"{name} of {metric_words(rest)}" if rest else name


def seed_count(number: int) -> str:
    """A number of seeds.

    >>> seed_count(1), seed_count(3)
    ('1 seed', '3 seeds')
    """
    return f"{number} seed" + ("" if number == 1 else "s")
