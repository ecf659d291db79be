"""The minimum differences that a study's tests detect, pair by pair.

Each has the variance and the correction of the test beside it, so that the two do not contradict
each other: a difference that is observed to be as large as its minimum is significant. (McNemar's
test below 25 discordant faces is exact and somewhat stricter than the formula of its power.)
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.stats.components import combined_error
from ferbench.stats.effects import POWER, detectable, detectable_t
from ferbench.stats.evidence import Evidence, Samples, samples_of
from ferbench.stats.pair_tests import load_test
from ferbench.stats.primary import primary_difference

__all__ = ["POWER_COLUMNS", "detectable_differences"]

_PAIR = ["study", "dataset", "protocol", "variant_a", "variant_b", "metric", "test"]
_FAMILY = ["study", "dataset", "protocol", "metric", "test"]
POWER_COLUMNS = (*_PAIR, "n", "spread", "error", "df", "detectable", "alpha", "power")


class _Precision(NamedTuple):
    """What the minimum difference of a pair is computed from."""

    n: int
    spread: float
    error: float  # standard error of the difference
    df: float  # degrees of freedom; infinite for tests of counts


def detectable_differences(
    evidence: Evidence, comparisons: pd.DataFrame, alpha: float
) -> pd.DataFrame:
    """A row for every tested pair of a test that has a formula for its power.

    The level is alpha over the number of pairs of the family that could be tested: what Holm's
    first step asks of the smallest p. `n` is the smaller number of seeds, pairs or faces. `spread`
    is the standard deviation over seeds: pooled over A and B for tests of two samples, else of the
    paired differences; for McNemar's test the square root of the share of discordant faces. NaN
    with fewer than two values.

    Args:
        evidence: of the study.
        comparisons: the rows of `comparisons.csv` that belong to the corrected family.
        alpha: level of significance of the family.
    """
    rows: list[dict[str, Any]] = []
    parts = {tuple(part.place.values()): part for part in evidence.parts()}
    for family, pairs in comparisons.groupby(_FAMILY, sort=False):
        *place, metric, name = (str(word) for word in family)
        test, part = load_test(name), parts[tuple(place)]
        samples = None if test.power == "none" else samples_of(part, metric, test.kind)
        if samples is None:
            continue
        level = alpha / max(int(pairs["p_value"].notna().sum()), 1)
        for names in pairs[_PAIR].itertuples(index=False, name=None):
            pair = dict(zip(_PAIR, names, strict=True))
            found = _precision(samples, test.power, pair["variant_a"], pair["variant_b"])
            if test.power == "discordant":
                least = detectable("discordant", found.n, found.spread, level)
            else:
                least = detectable_t(found.error, found.df, level)
            values = (*found, least, level, POWER)
            rows.append({**pair, **dict(zip(POWER_COLUMNS[7:], values, strict=True))})
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))


def _precision(samples: Samples, power: str, a: str, b: str) -> _Precision:
    if samples.whole is not None:
        found = primary_difference(*samples.whole, a, b)
        if found is None or found.seeds < 2:
            return _Precision(0 if found is None else found.seeds, *(math.nan,) * 3)
        return _Precision(found.seeds, found.spread, found.error, found.df)
    x, y, *_ = samples.of(a, b)
    if power == "discordant":
        # Under the null a face's difference is -1, 0 or 1 with mean 0: its square is the share.
        share = float(((y - x) ** 2).mean()) if len(x) else math.nan
        return _Precision(len(x), math.sqrt(share), math.sqrt(share / max(len(x), 1)), math.inf)
    if min(len(x), len(y)) < 2:
        return _Precision(min(len(x), len(y)), *(math.nan,) * 3)
    if power == "pairs":
        spread = float(np.std(y - x, ddof=1))
        return _Precision(len(x), spread, spread / math.sqrt(len(x)), len(x) - 1)
    return _two_samples(x, y, pooled=power == "two_samples")


def _two_samples(x: NDArray[np.float64], y: NDArray[np.float64], *, pooled: bool) -> _Precision:
    """Of Student's test of two samples, or of Welch's."""
    sizes, squares = (len(x), len(y)), (float(x.var(ddof=1)), float(y.var(ddof=1)))
    df = float(sum(sizes) - 2)
    common = sum(s * (n - 1) for s, n in zip(squares, sizes, strict=True)) / df
    spread = math.sqrt(common)
    if pooled or common == 0:
        return _Precision(min(sizes), spread, spread * math.sqrt(sum(1 / n for n in sizes)), df)
    parts = [(s / n, n - 1) for s, n in zip(squares, sizes, strict=True)]
    return _Precision(min(sizes), spread, *combined_error(parts))
