"""What the papers printed: `printed.yaml`, one record a value, in fractions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ferbench.emotions import normalise

__all__ = ["PrintedValue", "printed_size", "printed_values"]

# Our metric for a printed key; other keys (cost, classes, counts) are not scores of this report.
_METRICS = {
    "accuracy": "accuracy",
    "accuracy_mean": "accuracy",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "f1": "f1_macro",
    "map50": "map50",
}


@dataclass(frozen=True)
class PrintedValue:
    """One printed number.

    Args:
        paper: `P0` to `P4`.
        table: such as `T1`.
        row: the row's own words.
        model: name that our variant of it has; None if it was never a model of ours.
        dataset: in the paper's words.
        metric: ours.
        value: as a fraction.
        epoch: of the paper's best checkpoint, if printed.
        quoted: the paper took it from elsewhere.
        setting: what sets the row apart from the plain model, in words.
    """

    paper: str
    table: str
    row: str
    model: str | None
    dataset: str
    metric: str
    value: float
    epoch: int | None
    quoted: bool
    setting: str


def printed_values() -> list[PrintedValue]:
    """All printed scores, in the papers' order."""
    return [value for place in _rows() for value in _values(*place)]


def printed_size(variant: str, key: str) -> float | None:
    """What the first paper to print it says of a variant's size; None if none does.

    Args:
        variant: our name.
        key: `params_m`, millions of parameters, or `gflops`.
    """
    for _, _, table, row in _rows():
        if key in row and row.get("model") == variant and not _setting(table, row):
            return float(row[key])
    return None


@cache
def _tree() -> dict[str, Any]:
    text = (files("ferbench.reporting") / "printed.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["papers"])


def _rows() -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Paper, name of the table, table and row."""
    for paper, entry in _tree().items():
        for name, table in entry["tables"].items():
            for row in table.get("rows", ()):
                yield paper, name, table, row


def _values(
    paper: str, name: str, table: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[PrintedValue]:
    units = table.get("units", {})
    for key, metric in _METRICS.items():
        if not isinstance(row.get(key), int | float):
            continue
        weighted = str(row["row"]).startswith("weighted") and metric.endswith("_macro")
        yield PrintedValue(
            paper=paper,
            table=name,
            row=str(row["row"]),
            model=row.get("model"),
            dataset=str(row.get("dataset", table.get("dataset", ""))),
            metric=metric.replace("_macro", "_weighted") if weighted else metric,
            value=row[key] / (1 if units.get(key) == "fraction" else 100),
            epoch=row.get("opt_epoch"),
            quoted=key in row.get("quoted", ()),
            setting=_setting(table, row),
        )


def _setting(table: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """How the row differs from its model's score on the table's test set."""
    if (emotion := normalise(str(row["row"]))) is not None:
        return f"the value of class {emotion} alone"
    if measured := row.get("measured", table.get("measured")):
        return f"a score measured in {measured}, not on test"
    return ", ".join(f"{key} {value}" for key, value in row.get("variant", {}).items())
