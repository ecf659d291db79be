"""The results that the papers print: `printed.yaml`, one record a value, as fractions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ferbench.emotions import normalise

__all__ = [
    "SOURCES",
    "PrintedDelta",
    "PrintedValue",
    "printed_deltas",
    "printed_size",
    "printed_values",
]

# Our metric of a printed key; other keys (cost, counts) are no scores.
_METRICS = {
    "accuracy": "accuracy",
    "accuracy_mean": "accuracy",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "f1": "f1_macro",
    "map50": "map50",
    "face_det_accuracy": "face_detection",
}
# Of one class, or of a pair of classes; see `PrintedValue.metric`.
_PAIRS = {
    "recall_angry": "recall:anger",
    "recall_disgust": "recall:disgust",
    "angry_as_disgust": "confused:anger:disgust",
    "disgust_as_angry": "confused:disgust:anger",
}
# Kinds of robustness tests that a row's `variant` may name, with the condition as its value.
_ROBUSTNESS = ("canvas", "degraded")
# Our source of a data set, by the paper's name for it.
SOURCES = {
    "RAF-DB-basic": "rafdb_basic",
    "RAF-DB-compound": "rafdb_compound",
    "CK+": "ckplus",
    "FER2013": "fer2013",
    "LLD": "lld",
    "ExpW": "expw",
}


@dataclass(frozen=True)
class PrintedValue:
    """One printed number.

    Args:
        paper: `P0` to `P4`.
        table: such as `T1`.
        row: the row's label.
        model: our variant of it; None if it is no model of ours.
        dataset: of the test images, by the paper's name.
        trained_on: data set of the training images, by the paper's name.
        metric: ours; `recall:anger` is that of a class, `confused:anger:disgust` the share of the
            faces of anger that were predicted as disgust.
        value: a fraction.
        epoch: of the paper's best checkpoint, if printed.
        quoted: the paper took it from another work.
        setting: how the row differs from the plain model, in words.
        robustness: kind and condition of the altered test images it was measured on; None for test.
    """

    paper: str
    table: str
    row: str
    model: str | None
    dataset: str
    trained_on: str
    metric: str
    value: float
    epoch: int | None
    quoted: bool
    setting: str
    robustness: tuple[str, str] | None = None


@dataclass(frozen=True)
class PrintedDelta:
    """A printed change of every class's average precision on altered test images.

    Args:
        paper: `P0` to `P4`.
        table: such as `T13`.
        model: our name.
        source: our source of its data set.
        values: by emotion and for `mean`, as fractions.
    """

    paper: str
    table: str
    model: str
    source: str
    values: Mapping[str, float]


def printed_values() -> list[PrintedValue]:
    """All printed scores, in the papers' order."""
    return [value for place in _rows() for value in _values(*place)]


def printed_size(variant: str, key: str) -> float | None:
    """The size of a variant in the first paper that prints it; None if none does.

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


def printed_deltas() -> list[PrintedDelta]:
    """All printed changes on altered test images."""
    return [
        PrintedDelta(
            paper,
            name,
            model,
            SOURCES[table["dataset"]],
            {normalise(key) or key: value / 100 for key, value in values.items()},
        )
        for paper, entry in _tree().items()
        for name, table in entry["tables"].items()
        for model, values in table.get("printed_delta", {}).items()
        if isinstance(values, Mapping)
    ]


def _values(
    paper: str, name: str, table: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[PrintedValue]:
    units = table.get("units", {})
    altered = [(k, str(v)) for k, v in row.get("variant", {}).items() if k in _ROBUSTNESS]
    dataset = str(row.get("dataset", table.get("dataset", "")))
    for key, metric, printed in _scores(row):
        yield PrintedValue(
            paper=paper,
            table=name,
            row=str(row["row"]),
            model=row.get("model"),
            dataset=dataset,
            trained_on=str(table.get("trained_on", dataset)),
            metric=metric,
            value=printed / (1 if units.get(key) == "fraction" else 100),
            epoch=row.get("opt_epoch"),
            quoted=key in row.get("quoted", ()),
            setting=_setting(table, row),
            robustness=altered[0] if altered else None,
        )


def _scores(row: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Key, metric and printed number of every score of a row."""
    emotion = normalise(str(row["row"]))
    for key, metric in {**_METRICS, **_PAIRS}.items():
        if not isinstance(row.get(key), int | float):
            continue
        if emotion is not None:
            metric = f"{metric.removesuffix('_macro')}:{emotion}"
        elif str(row["row"]).startswith("weighted"):
            metric = metric.replace("_macro", "_weighted")
        yield key, metric, row[key]
    for name, value in row.get("ap50", {}).items():
        yield "ap50", "map50" if name == "mean" else f"ap50:{normalise(name)}", value


def _setting(table: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """How the row differs from the score of its model on the table's test set."""
    if measured := row.get("measured", table.get("measured")):
        return f"a score measured in {measured}, not on test"
    apart = {key: value for key, value in row.get("variant", {}).items() if key not in _ROBUSTNESS}
    return ", ".join(f"{key} {value}" for key, value in apart.items())
