"""Which two classes are taken for one another, by whom.

Source: the form of P2-T4, which sets two models side by side on anger and disgust: recall of both
and the share of either that was given the other's name. Here the pairs are those that all variants
together confuse most.
"""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from ferbench.reporting.blocks import Table, Value, share, word
from ferbench.reporting.panels import shares
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["confused_table"]

_PAIRS = 3


def confused_table(files: StudyFiles, key: str, ranked: list[Mean]) -> Table:
    """The pairs most confused on test, a row a pair and variant; means over seeds."""
    counts = files.here(files.confusion, key)
    tested = counts[counts["subset"] == "test"]
    said = {m.variant: shares(tested[tested["variant"] == m.variant]) for m in ranked}
    rows = [
        _row(first, second, variant, table)
        for first, second in _worst(list(said.values()))
        for variant, table in said.items()
    ]
    return Table(f"confused_{key}", tuple(rows), title="pairs most often confused")


def _worst(tables: list[pd.DataFrame]) -> list[tuple[str, str]]:
    """Pairs of classes by falling share that was given the other's name, over all variants."""
    classes = [str(word) for word in tables[0].index]
    total = {
        (a, b): sum(float(t[b][a]) + float(t[a][b]) for t in tables)
        for a, b in combinations(classes, 2)
    }
    known = [pair for pair in total if total[pair] > 0]  # also leaves out what is not defined
    return sorted(known, key=lambda pair: -total[pair])[:_PAIRS]


def _row(first: str, second: str, variant: str, table: pd.DataFrame) -> dict[str, Value]:
    a, b = first.replace("_", " "), second.replace("_", " ")

    def cell(true: str, told: str) -> Value:
        return share(float(table[told][true]))

    return {
        "pair often confused": word(f"{a}, {b}"),
        "variant": word(variant),
        "recall of the first %": cell(first, first),
        "recall of the second %": cell(second, second),
        "first taken for second %": cell(first, second),
        "second taken for first %": cell(second, first),
    }
