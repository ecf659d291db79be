"""Means over seeds and comparisons, as records; everything the report says begins here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ferbench import plugins
from ferbench.reporting.numbers import count
from ferbench.reporting.scores import falls
from ferbench.stats.result import Interval
from ferbench.stats.study import load_test

__all__ = ["Comparison", "Mean", "at", "comparisons_of", "sample_words", "seeds_words", "summarise"]


@dataclass(frozen=True)
class Mean:
    """One metric of one variant on one data set under one protocol, on one subset, over seeds.

    Args:
        dataset: name in tables.
        protocol: of the split.
        variant: row of the variants table.
        metric: which.
        mean: over seeds.
        low: lower bound of its interval; NaN if there is none.
        high: upper bound.
        std: sample standard deviation; NaN of one seed.
        values: by rising seed.
    """

    dataset: str
    protocol: str
    variant: str
    metric: str
    mean: float
    low: float
    high: float
    std: float
    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)


@dataclass(frozen=True)
class Comparison:
    """A row of `comparisons.csv`."""

    study: str
    dataset: str
    protocol: str
    variant_a: str
    variant_b: str
    metric: str
    test: str
    n: int
    estimate: float
    low: float
    high: float
    statistic: float
    p_value: float
    p_corrected: float
    effect_size: float


def comparisons_of(table: pd.DataFrame) -> tuple[Comparison, ...]:
    """The rows of `comparisons.csv`."""
    return tuple(
        Comparison(**{str(k): v for k, v in row.items()}) for row in table.to_dict("records")
    )


def summarise(results: pd.DataFrame, interval: str, subset: str = "test") -> list[Mean]:
    """One record a data set, protocol, variant and metric, on one subset.

    Args:
        results: rows of `results.csv`.
        interval: the file of `ferbench.stats.intervals`.
        subset: test, a part of it, or test as a probe altered it.
    """
    bounds = plugins.load("ferbench.stats.intervals", interval)
    tested = results[results["subset"] == subset].sort_values("seed", kind="stable")
    series: dict[tuple[str, str, str, str], list[float]] = {}
    columns = (tested[c] for c in ("dataset", "protocol", "variant", "metric", "value"))
    for dataset, protocol, variant, metric, value in zip(*columns, strict=True):
        series.setdefault((dataset, protocol, variant, metric), []).append(float(value))
    return [_mean(place, values, bounds(values)) for place, values in series.items()]


def _mean(place: tuple[str, str, str, str], values: list[float], bounds: Interval) -> Mean:
    # A value that is not defined, such as AUROC of one class, leaves no mean and no spread.
    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Mean(*place, *bounds, std, tuple(values))


def at(means: list[Mean], place: tuple[str, str], metric: str) -> list[Mean]:
    """One metric at one (data set, protocol), best first; of equals the earlier row is first."""
    here = [m for m in means if (m.dataset, m.protocol) == place and m.metric == metric]
    return sorted(here, key=lambda m: m.mean if falls(metric) else -m.mean)


def sample_words(number: int, test: str) -> str:
    """The size of what a test of two variants looks at: seeds, or faces of test.

    >>> sample_words(3, "welch"), sample_words(1534, "mcnemar")
    ('3 seeds', '1,534 test faces')
    """
    if load_test(test).kind.startswith("faces"):
        return f"{count(number)} test faces"
    return seeds_words(number)


def seeds_words(number: int) -> str:
    """A number of seeds in words.

    >>> seeds_words(1), seeds_words(3)
    ('1 seed', '3 seeds')
    """
    return f"{number} seed" + ("" if number == 1 else "s")
