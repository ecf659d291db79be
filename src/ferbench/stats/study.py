"""The tables of a study's comparisons: pairs of variants, ranks of all, minimum differences.

`compare_study` computes them from a study's evidence and reads no file; `write_tables` writes them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferbench import plugins
from ferbench.config.params import Compare
from ferbench.files import whole_file
from ferbench.stats.effects import POWER, detectable
from ferbench.stats.evidence import Evidence, EvidencePart, Samples, by_seed, samples_of
from ferbench.stats.result import TestResult, mean_ranks

__all__ = [
    "COLUMNS",
    "OMNIBUS_COLUMNS",
    "POWER_COLUMNS",
    "RANK_COLUMNS",
    "PairTest",
    "compare_study",
    "compare_variants",
    "detectable_differences",
    "load_test",
    "rank_variants",
    "write_tables",
]

_PLACE = ("study", "dataset", "protocol")
# Of comparisons.csv, omnibus.csv, ranks.csv and power.csv.
COLUMNS = (*_PLACE, "variant_a", "variant_b", "metric", "test", "n", "estimate", "low", "high",
           "statistic", "p_value", "p_corrected", "effect_size")  # fmt: skip
OMNIBUS_COLUMNS = (*_PLACE, "metric", "test", "blocks", "variants", "statistic", "p_value",
                   "critical_difference")  # fmt: skip
RANK_COLUMNS = (*_PLACE, "metric", "test", "variant", "mean_rank")
POWER_COLUMNS = (*_PLACE, "metric", "test", "n", "spread", "detectable", "alpha", "power")

_ALL = {"dataset": "all", "protocol": "all"}


@dataclass(frozen=True)
class PairTest:
    """A test of two variants with what it declares by `ferbench.stats.result.pair_test`."""

    run: Callable[..., TestResult]
    kind: str
    power: str


def load_test(name: str) -> PairTest:
    """The test of two variants that has this name.

    Raises:
        InputError: there is no such test.
    """
    run = plugins.load("ferbench.stats.comparisons", name)
    return PairTest(run, run.kind, run.power)


def compare_study(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> dict[str, pd.DataFrame]:
    """The tables `comparisons`, `omnibus`, `ranks` and `power`; one without rows has its columns.

    Args:
        evidence: of the study.
        how: which metrics and tests.
        order: all variants, the baseline first.
        falling: metrics of which less is better.

    Raises:
        InputError: a test needs evidence that is missing.
    """
    omnibus, ranks = rank_variants(evidence, how, order, falling)
    return {
        "comparisons": compare_variants(evidence, how, order),
        "omnibus": omnibus,
        "ranks": ranks,
        "power": detectable_differences(evidence, how, order),
    }


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write every table as `<name>.csv`."""
    for name, table in tables.items():
        with whole_file(folder / f"{name}.csv") as temporary:
            # Small p-values need significant digits, not decimals.
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def compare_variants(evidence: Evidence, how: Compare, order: Sequence[str]) -> pd.DataFrame:
    """A row for every data set, protocol, metric, test and pair of variants, on test.

    The correction is over the pairs of one data set, protocol, metric and test. Estimates are mean
    of B minus mean of A. A metric that a variant lacks (boxes, of a classifier) gives no pair, and
    tests of faces give pairs for accuracy only.

    Args:
        evidence: of the study.
        how: which metrics, tests and correction.
        order: all variants; the earlier of a pair is A, so the baseline comes first.

    Raises:
        InputError: a test needs evidence that is missing.
    """
    correct = plugins.load("ferbench.stats.corrections", how.correction)
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric, name in itertools.product(how.metrics, how.tests):
            test = load_test(name)
            samples = samples_of(part, metric, test.kind)
            if samples is None:
                continue
            pairs = list(samples.pairs(order))
            results = [test.run(*samples.of(a, b)) for a, b in pairs]
            corrected = correct([result.p_value for result in results])
            for (a, b), result, p in zip(pairs, results, corrected, strict=True):
                what = {"variant_a": a, "variant_b": b, "metric": metric, "test": name}
                rows.append({**part.place, **what, **result._asdict(), "p_corrected": float(p)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def rank_variants(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Omnibus tests and mean ranks, on test; rank 1 is the best.

    Every data set and protocol has a row with seeds as blocks. A study of several has one more,
    `all`, with a block for every data set and seed. Only blocks with all variants count; a variant
    that has no value of the metric on a data set is left out there. Seeds on one test set are not
    independent data sets: ranks over one data set show how reproducible its order is with other
    seeds, and nothing about other data.

    Args:
        evidence: of the study.
        how: which metrics and tests, and the level of critical differences.
        order: all variants.
        falling: metrics of which less is better.

    Returns:
        Rows of `omnibus.csv` and rows of `ranks.csv`.
    """
    tests = {name: plugins.load("ferbench.stats.omnibus", name) for name in how.omnibus}
    found: list[dict[str, Any]] = []
    ranks: list[dict[str, Any]] = []
    parts = list(evidence.parts())
    for metric in how.metrics:
        sign = -1 if metric in falling else 1
        for place, blocks in _blocks(parts, metric, order):
            if blocks.empty or blocks.shape[1] < 2:
                continue
            scores, names = sign * blocks.to_numpy(), list(blocks.columns)
            size = {"blocks": scores.shape[0], "variants": scores.shape[1]}
            for name, test in tests.items():
                here = {**place, "metric": metric, "test": name}
                found.append({**here, **size, **test(scores, how.alpha)._asdict()})
                of_each = zip(names, mean_ranks(scores), strict=True)
                ranks += [{**here, "variant": v, "mean_rank": float(r)} for v, r in of_each]
    return (
        pd.DataFrame(found, columns=list(OMNIBUS_COLUMNS)),
        pd.DataFrame(ranks, columns=list(RANK_COLUMNS)),
    )


def _blocks(
    parts: Sequence[EvidencePart], metric: str, order: Sequence[str]
) -> Iterator[tuple[Mapping[str, str], pd.DataFrame]]:
    """A place and its (blocks, variants), for every data set and then for all of a study's."""
    for study, group in itertools.groupby(parts, key=lambda part: part.place["study"]):
        tables = []
        for part in group:
            values = by_seed(part, metric)
            values = values[[name for name in order if name in values]]
            yield part.place, values.dropna()
            if not values.empty:
                tables.append(values)
        if len(tables) > 1:
            yield {"study": study, **_ALL}, pd.concat(tables, join="inner").dropna()


def detectable_differences(evidence: Evidence, how: Compare, order: Sequence[str]) -> pd.DataFrame:
    """A row for every data set, protocol, metric and test that has a formula for its power.

    `n` is the smallest number of seeds, pairs or faces of any two variants. `spread` is pooled over
    the variants, or over all pairs of them, as defined by `ferbench.stats.effects.detectable`; NaN
    with fewer than two values.
    """
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric, name in itertools.product(how.metrics, how.tests):
            test = load_test(name)
            samples = None if test.power == "none" else samples_of(part, metric, test.kind)
            if samples is None or not list(samples.pairs(order)):
                continue
            n, spread = _spread(samples, test.power, order)
            least = detectable(test.power, n, spread, how.alpha)
            values = (metric, name, n, spread, least, how.alpha, POWER)
            rows.append({**part.place, **dict(zip(POWER_COLUMNS[3:], values, strict=True))})
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))


def _spread(samples: Samples, power: str, order: Sequence[str]) -> tuple[int, float]:
    """Smallest n and pooled standard deviation."""
    if power == "two_samples":
        known = [samples.values[name].dropna() for name in order if name in samples.values]
        groups = [column.to_numpy() for column in known]
    else:
        both = (samples.of(a, b) for a, b in samples.pairs(order))
        groups = [pair[1] - pair[0] for pair in both]
    n = min(map(len, groups))
    if power == "discordant":
        # Under the null a face's difference is -1, 0 or 1 with mean 0: its square is the share.
        sums, counts = [(group**2).sum() for group in groups], [len(group) for group in groups]
    else:
        usable = [group for group in groups if len(group) > 1]
        sums = [group.var(ddof=1) * (len(group) - 1) for group in usable]
        counts = [len(group) - 1 for group in usable]
    return n, math.sqrt(np.sum(sums) / np.sum(counts)) if np.sum(counts) else math.nan
