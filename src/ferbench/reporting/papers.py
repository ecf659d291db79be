"""Paper against ours: every printed value that the study can be held against, with a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ferbench.reporting.numbers import count
from ferbench.reporting.printed import PrintedValue, printed_values
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["COLUMNS", "paper_rows"]

COLUMNS = (
    *("paper", "table", "row", "dataset", "metric"),
    *("printed", "mean", "low", "high", "n", "verdict", "reason"),
)
# Our source of what a paper calls a data set.
_SOURCES = {
    "RAF-DB-basic": "rafdb_basic",
    "RAF-DB-compound": "rafdb_compound",
    "CK+": "ckplus",
    "FER2013": "fer2013",
    "LLD": "lld",
    "ExpW": "expw",
}
# The split each paper states; the others do not say how they split.
_PROTOCOLS = {
    ("P0", "rafdb_basic"): "stratified_70_10_20",
    ("P0", "rafdb_compound"): "stratified_70_10_20",
    ("P0", "ckplus"): "stratified_70_10_20",
    ("P0", "fer2013"): "stratified_70_10_20",
    ("P1", "ckplus"): "p1_60_20_20",
    ("P1", "fer2013"): "official",
    ("P4", "rafdb_basic"): "p4_half_test",
}
_OF_BOXES = ("precision_macro", "recall_macro", "f1_macro")


def paper_rows(files: StudyFiles) -> pd.DataFrame:
    """Rows of `papers.csv`: printed and own value as fractions, verdict, reason.

    A table that the study answers is listed whole; of other tables, the rows whose model and data
    set are in the study. `reproduced` says that the printed value lies within our interval, and is
    said only where protocol and recipe are the paper's own.
    """
    rows = [row for value in printed_values() for row in _rows(value, files)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(value: PrintedValue, files: StudyFiles) -> Iterator[dict[str, Any]]:
    source = _SOURCES.get(value.dataset)
    keys = [k for k, row in files.params.datasets.items() if row.source == source]
    for key in keys if value.model in files.params.variants else ():
        yield from _against(value, files, key)
    ran = bool(keys) and value.model in files.params.variants
    if not ran and f"{value.paper}-{value.table}" in files.params.study.answers:
        yield _row(value, value.dataset, None, "not comparable", "not run in this study")


def _against(value: PrintedValue, files: StudyFiles, key: str) -> Iterator[dict[str, Any]]:
    """The printed value against the variant of its model on one data set row."""
    name, protocol = files.place(key)
    for mean in files.means:
        here = (mean.dataset, mean.protocol, mean.variant, mean.metric)
        if here == (name, protocol, value.model, value.metric):
            reasons = _differences(value, files, key, mean.n)
            if reasons:
                yield _row(value, name, mean, "not comparable", "; ".join(reasons))
                continue
            inside = mean.low <= value.value <= mean.high
            verdict = "reproduced" if inside else "not reproduced"
            yield _row(value, name, mean, verdict, _remark(files, key))


def _differences(value: PrintedValue, files: StudyFiles, key: str, n: int) -> list[str]:
    """Why the two numbers do not measure the same; empty if they do."""
    row, recipe = files.params.datasets[key], files.params.recipe_of(str(value.model))
    detects = files.descriptions[str(value.model)]["task"] == "detect"
    protocol = _PROTOCOLS.get((value.paper, row.source))
    checks = [
        (value.quoted, "the paper quotes this value from another work"),
        (bool(value.setting), f"the row is about {value.setting}"),
        (protocol is None, "the paper does not say how it split"),
        (protocol not in (None, row.protocol), f"split {row.protocol}, the paper's {protocol}"),
        (row.limit is not None, f"at most {count(row.limit)} images of the data set"),
        (bool(recipe.deviations), "recipe: " + ", ".join(recipe.deviations)),
        (
            recipe.epochs < (value.epoch or 0),
            f"at most {recipe.epochs} epochs, the paper's best was {value.epoch}",
        ),
        (
            detects and value.metric in _OF_BOXES,
            "printed over boxes at the best threshold, ours over faces at a fixed one",
        ),
        (n < 2, "one seed has no interval"),
    ]
    return [reason for holds, reason in checks if holds]


def _remark(files: StudyFiles, key: str) -> str:
    """What still sets the data apart: the copies that were taken out before the split."""
    copies = files.facts[key].get("redundant_copies", 0)
    return f"{count(copies)} redundant copies were removed before the split" if copies else ""


def _row(
    value: PrintedValue, dataset: str, mean: Mean | None, verdict: str, reason: str
) -> dict[str, Any]:
    return {
        "paper": value.paper,
        "table": value.table,
        "row": value.row,
        "dataset": dataset,
        "metric": value.metric,
        "printed": value.value,
        "mean": mean.mean if mean else math.nan,
        "low": mean.low if mean else math.nan,
        "high": mean.high if mean else math.nan,
        "n": mean.n if mean else 0,
        "verdict": verdict,
        "reason": reason,
    }
