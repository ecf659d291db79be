"""Every pair of variants, every test: from what stages left to the comparisons table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ferbench import plugins
from ferbench.params import Compare
from ferbench.stats.evidence import Evidence, Part
from ferbench.stats.samples import load_test, samples_of

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


def compare_variants(
    results: pd.DataFrame | Evidence, how: Compare, order: Sequence[str]
) -> pd.DataFrame:
    """A row for every data set, protocol, metric, test and pair of variants, on test.

    The correction is over the pairs of one data set, protocol, metric and test. Estimates are mean
    of B minus mean of A. A metric that a variant lacks (boxes, of a classifier) makes no pair, and
    a test of faces makes pairs for accuracy alone.

    Args:
        results: rows of `results.csv`, or these and what tests of faces and rounds need.
        how: which metrics, tests and correction.
        order: all variants; the earlier of a pair is A, so the baseline comes first.

    Raises:
        InputError: a test needs more than results, and it is not there.
    """
    evidence = results if isinstance(results, Evidence) else Evidence(results, None, {})
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric, test in itertools.product(how.metrics, how.tests):
            pairs = _pairs(part, metric, test, order)
            _correct(pairs, how.correction)
            rows += [{**part.place, **pair, "metric": metric, "test": test} for pair in pairs]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pairs(part: Part, metric: str, test: str, order: Sequence[str]) -> list[dict[str, Any]]:
    loaded = load_test(test)
    samples = samples_of(part, metric, loaded.kind)
    if samples is None:
        return []
    return [
        {"variant_a": a, "variant_b": b, **loaded.run(*samples.of(a, b))._asdict()}
        for a, b in samples.pairs(order)
    ]


def _correct(pairs: list[dict[str, Any]], correction: str) -> None:
    correct = plugins.load("ferbench.stats.corrections", correction)
    for pair, p in zip(pairs, correct([pair["p_value"] for pair in pairs]), strict=True):
        pair["p_corrected"] = float(p)
