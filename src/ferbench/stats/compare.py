"""Every pair of variants, every test: from the results table to the comparisons table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ferbench import plugins
from ferbench.params import Compare

__all__ = ["COLUMNS", "compare_variants"]

COLUMNS = (
    "study",
    "dataset",
    "protocol",
    "variant_a",
    "variant_b",
    "metric",
    "test",
    "n",
    "estimate",
    "low",
    "high",
    "statistic",
    "p_value",
    "p_corrected",
    "effect_size",
)


def compare_variants(results: pd.DataFrame, how: Compare, order: Sequence[str]) -> pd.DataFrame:
    """A row for every data set, protocol, metric, test and pair of variants, on test.

    The correction is over the pairs of one data set, protocol, metric and test. Estimates are mean
    of B minus mean of A. A metric that a variant lacks (boxes, of a classifier) makes no pair.

    Args:
        results: rows of `results.csv`.
        how: which metrics, tests and correction.
        order: all variants; the earlier of a pair is A, so the baseline comes first.
    """
    tested = results[results["subset"] == "test"]
    rows: list[dict[str, Any]] = []
    for (study, dataset, protocol), part in tested.groupby(
        ["study", "dataset", "protocol"], sort=False
    ):
        place = {"study": study, "dataset": dataset, "protocol": protocol}
        for metric, test in itertools.product(how.metrics, how.tests):
            values = _over_seeds(part[part["metric"] == metric])
            pairs = _pairs(values, [name for name in order if name in values], test)
            _correct(pairs, how.correction)
            rows += [{**place, **pair, "metric": metric, "test": test} for pair in pairs]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _over_seeds(results: pd.DataFrame) -> dict[str, list[float]]:
    """Values of each variant, by rising seed."""
    ordered = results.sort_values("seed", kind="stable")
    return {
        str(variant): part["value"].tolist()
        for variant, part in ordered.groupby("variant", sort=False)
    }


def _pairs(
    values: Mapping[str, list[float]], names: Sequence[str], test: str
) -> list[dict[str, Any]]:
    run = plugins.load("ferbench.stats.comparisons", test)
    return [
        {"variant_a": a, "variant_b": b, **run(values[a], values[b])._asdict()}
        for a, b in itertools.combinations(names, 2)
    ]


def _correct(pairs: list[dict[str, Any]], correction: str) -> None:
    correct = plugins.load("ferbench.stats.corrections", correction)
    for pair, p in zip(pairs, correct([pair["p_value"] for pair in pairs]), strict=True):
        pair["p_corrected"] = float(p)
