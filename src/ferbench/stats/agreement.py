"""Whether the tests of one pair decide alike, as a table and in words."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["DECISIONS", "agreement", "disagreement"]

_A, _B, _NEITHER, _UNDEFINED = "A higher", "B higher", "no decision", "not defined"
DECISIONS = (_A, _B, _NEITHER, _UNDEFINED)
_PAIR = ["study", "dataset", "protocol", "metric", "variant_a", "variant_b"]


def agreement(comparisons: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """What every test decides about every pair of a variant and its control.

    A test decides for the higher variant where its corrected p is at most alpha. It is not defined
    where it has no p, or does not apply to the metric.

    Args:
        comparisons: rows of `comparisons.csv`.
        alpha: level of significance.

    Returns:
        A row for each pair of family `control`, data set, protocol and metric: study, dataset,
        protocol, metric, variant_a, variant_b, a column per test with one of `DECISIONS`, and
        `agree`, whether all tests that are defined decide alike.
    """
    pairs = comparisons[comparisons["family"] == "control"]
    tests = list(dict.fromkeys(pairs["test"]))
    rows: list[dict[str, Any]] = []
    for place, of_pair in pairs.groupby(_PAIR, sort=False):
        decisions = dict.fromkeys(tests, _UNDEFINED)
        for row in of_pair.to_dict("records"):
            decisions[row["test"]] = _decision(row, alpha)
        known = set(decisions.values()) - {_UNDEFINED}
        rows.append({**dict(zip(_PAIR, place, strict=True)), **decisions, "agree": len(known) < 2})
    return pd.DataFrame(rows, columns=[*_PAIR, *tests, "agree"])


def _decision(row: Mapping[Hashable, Any], alpha: float) -> str:
    p = float(row["p_corrected"])
    if math.isnan(p):
        return _UNDEFINED
    if p > alpha or row["estimate"] == 0:
        return _NEITHER
    return _B if row["estimate"] > 0 else _A


def disagreement(row: Mapping[Hashable, Any], tests: Sequence[str]) -> str:
    """Who disagrees about a pair, as a sentence; empty if nobody does.

    Args:
        row: of `agreement`.
        tests: its columns of tests.

    >>> row = {"variant_a": "plain", "variant_b": "sab", "metric": "accuracy", "agree": False}
    >>> row |= {"primary": "no decision", "welch": "B higher", "mcnemar": "B higher"}
    >>> disagreement(row, ["primary", "welch", "mcnemar"])
    'sab against plain, accuracy: primary decides for neither; welch, mcnemar decide for sab.'
    """
    if row["agree"]:
        return ""
    words = {_A: str(row["variant_a"]), _B: str(row["variant_b"]), _NEITHER: "neither"}
    by_decision: dict[str, list[str]] = {}
    for test in tests:
        if row[test] in words:
            by_decision.setdefault(words[row[test]], []).append(test.replace("_", " "))
    parts = [
        f"{', '.join(names)} decide{'s' if len(names) == 1 else ''} for {decision}"
        for decision, names in by_decision.items()
    ]
    return f"{row['variant_b']} against {row['variant_a']}, {row['metric']}: {'; '.join(parts)}."
