"""The tables of a study's comparisons: pairs of variants, ranks of all, minimum differences.

A pair of a variant and its control belongs to the family `control`: these pairs are what a study
tests, and the correction for many tests is over them. All other pairs are `exploratory`; they have
p-values for the curious and no corrected ones, since nobody planned them.

`compare_study` computes them from a study's evidence and reads no file; `write_tables` writes them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench import plugins
from ferbench.config.params import Compare
from ferbench.files import whole_file
from ferbench.stats.basis import basis_of
from ferbench.stats.evidence import Evidence, EvidencePart, Samples, by_seed, samples_of
from ferbench.stats.pair_tests import load_test
from ferbench.stats.power import detectable_differences
from ferbench.stats.result import mean_ranks

__all__ = [
    "COLUMNS",
    "CONTROL",
    "EXPLORATORY",
    "OMNIBUS_COLUMNS",
    "RANK_COLUMNS",
    "compare_study",
    "compare_variants",
    "rank_variants",
    "write_tables",
]

_PLACE = ("study", "dataset", "protocol")
CONTROL, EXPLORATORY = "control", "exploratory"  # families of pairs
# Of comparisons.csv, omnibus.csv and ranks.csv.
COLUMNS = (*_PLACE, "variant_a", "variant_b", "metric", "test", "n", "estimate", "low", "high",
           "statistic", "p_value", "p_corrected", "effect_size", "family", "basis")  # fmt: skip
OMNIBUS_COLUMNS = (*_PLACE, "metric", "test", "blocks", "variants", "statistic", "p_value",
                   "critical_difference")  # fmt: skip
RANK_COLUMNS = (*_PLACE, "metric", "test", "variant", "mean_rank")

_ALL = {"dataset": "all", "protocol": "all"}


def compare_study(
    evidence: Evidence,
    how: Compare,
    order: Sequence[str],
    falling: Collection[str] = (),
    controls: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables `comparisons`, `omnibus`, `ranks` and `power`; one without rows has its columns.

    Args:
        evidence: of the study.
        how: which metrics and tests.
        order: all variants.
        falling: metrics of which less is better.
        controls: the control of each variant that has one; by default the first variant is the
            control of all others.

    Raises:
        InputError: a test needs evidence that is missing.
    """
    omnibus, ranks = rank_variants(evidence, how, order, falling)
    comparisons = compare_variants(evidence, how, order, controls)
    tested = comparisons[comparisons["family"] == CONTROL]
    return {
        "comparisons": comparisons,
        "omnibus": omnibus,
        "ranks": ranks,
        "power": detectable_differences(evidence, tested, how.alpha),
    }


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write every table as `<name>.csv`."""
    for name, table in tables.items():
        with whole_file(folder / f"{name}.csv") as temporary:
            # Small p-values need significant digits, not decimals.
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def compare_variants(
    evidence: Evidence,
    how: Compare,
    order: Sequence[str],
    controls: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A row for every data set, protocol, metric, test and pair of variants, on test.

    The pairs of variant and control come first, as family `control`, with A the control. The
    correction is over those of one data set, protocol, metric and test; `exploratory` pairs have
    NaN for the corrected p. Estimates are mean of B minus mean of A. A metric that a variant lacks
    (boxes, of a classifier) gives no pair, and tests of faces give pairs for accuracy only. `basis`
    says in words what the test takes for samples, such as `seeds and persons`.

    Args:
        evidence: of the study.
        how: which metrics, tests and correction.
        order: all variants; the earlier of an exploratory pair is A.
        controls: as of `compare_study`.

    Raises:
        InputError: a test needs evidence that is missing.
    """
    correct = plugins.load("ferbench.stats.corrections", how.correction)
    if controls is None:
        controls = dict.fromkeys(order[1:], order[0])
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric, name in itertools.product(how.metrics, how.tests):
            test = load_test(name)
            samples = samples_of(part, metric, test.kind)
            if samples is None:
                continue
            pairs = _pairs(samples, order, controls)
            results = [test.run(*samples.of(a, b)) for a, b, _ in pairs]
            planned = [family == CONTROL for _, _, family in pairs]
            p_values = [
                result.p_value if is_planned else math.nan
                for result, is_planned in zip(results, planned, strict=True)
            ]
            corrected = correct(p_values)
            basis = basis_of(part, metric, test.kind)
            for (a, b, family), result, p in zip(pairs, results, corrected, strict=True):
                what = {"variant_a": a, "variant_b": b, "metric": metric, "test": name}
                more = {"p_corrected": float(p), "family": family, "basis": basis}
                rows.append({**part.place, **what, **result._asdict(), **more})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pairs(
    samples: Samples, order: Sequence[str], controls: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """A, B and family of every two variants that have values, those of controls first."""
    found = []
    for a, b in samples.pairs(order):
        if controls.get(b) == a:
            found.append((a, b, CONTROL))
        elif controls.get(a) == b:
            found.append((b, a, CONTROL))
        else:
            found.append((a, b, EXPLORATORY))
    return sorted(found, key=lambda pair: pair[2] != CONTROL)


def rank_variants(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Omnibus tests and mean ranks, on test; rank 1 is the best.

    Every data set and protocol has a row with seeds as blocks. A study of several data sets has one
    more, `all`, with a block for every data set and seed. There a data set under several protocols
    counts once, under the first of them in the results: the same images split in two ways are no
    two data sets. Only blocks with all variants count; a variant that has no value of the metric on
    a data set is left out there. Seeds on one test set are not
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
        tables: dict[str, pd.DataFrame] = {}
        for part in group:
            values = by_seed(part, metric)
            values = values[[name for name in order if name in values]]
            yield part.place, values.dropna()
            if not values.empty:
                tables.setdefault(part.place["dataset"], values)
        if len(tables) > 1:
            yield {"study": study, **_ALL}, pd.concat(tables.values(), join="inner").dropna()
