"""The table of least detectable differences, for every data set, metric and test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ferbench.params import Compare
from ferbench.stats.evidence import Evidence, Part
from ferbench.stats.power import POWER, detectable
from ferbench.stats.samples import Samples, load_test, samples_of

__all__ = ["POWER_COLUMNS", "detectable_differences"]

POWER_COLUMNS = (
    "study",
    "dataset",
    "protocol",
    "metric",
    "test",
    "n",
    "spread",
    "detectable",
    "alpha",
    "power",
)


def detectable_differences(evidence: Evidence, how: Compare, order: Sequence[str]) -> pd.DataFrame:
    """A row for every data set, protocol, metric and test that has a formula of power.

    `n` is the least number of seeds, pairs or faces of any two variants. `spread` is pooled over
    the variants, or over all pairs of them, and means what `ferbench.stats.power.detectable` says;
    NaN without two values.
    """
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric in how.metrics:
            found = (_row(part, metric, test, how.alpha, order) for test in how.tests)
            rows += [{**part.place, "metric": metric, **row} for row in found if row is not None]
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))


def _row(
    part: Part, metric: str, test: str, alpha: float, order: Sequence[str]
) -> dict[str, Any] | None:
    loaded = load_test(test)
    if loaded.power == "none":
        return None
    samples = samples_of(part, metric, loaded.kind)
    if samples is None or not list(samples.pairs(order)):
        return None
    n, spread = _spread(samples, loaded.power, order)
    least = detectable(loaded.power, n, spread, alpha)
    return {
        "test": test,
        "n": n,
        "spread": spread,
        "detectable": least,
        "alpha": alpha,
        "power": POWER,
    }


def _spread(samples: Samples, kind: str, order: Sequence[str]) -> tuple[int, float]:
    """Least n and pooled standard deviation."""
    if kind == "two_samples":
        known = [samples.values[name].dropna() for name in order if name in samples.values]
        sides = [column.to_numpy() for column in known]
    else:
        both = (samples.of(a, b) for a, b in samples.pairs(order))
        sides = [pair[1] - pair[0] for pair in both]
    n = min(map(len, sides))
    if kind == "discordant":
        # Under the null a face's difference is -1, 0 or 1 with mean 0: its square is the share.
        sums, counts = [(side**2).sum() for side in sides], [len(side) for side in sides]
    else:
        usable = [side for side in sides if len(side) > 1]
        sums = [side.var(ddof=1) * (len(side) - 1) for side in usable]
        counts = [len(side) - 1 for side in usable]
    return n, math.sqrt(np.sum(sums) / np.sum(counts)) if np.sum(counts) else math.nan
