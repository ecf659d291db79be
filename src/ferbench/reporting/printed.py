"""Everything that the papers print: `printed.yaml`, one record a value.

Values are of several kinds, by which they are compared:

- `score`: a score of a model on a data set, a fraction (cross entropy as it is).
- `confusion`: the share of the faces of one class that was predicted as another one.
- `spread`: the standard deviation of a score over runs, as a fraction.
- `size` and `cost`: millions of parameters; GFLOPs, frames a second, milliseconds an image.
- `count`: images or faces of a class.
- `delta`: a printed difference of two scores; `test`: a statistic of a printed test.
- `range`: a value that a hyper-parameter was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from ferbench.emotions import normalise

__all__ = [
    "KINDS",
    "SOURCES",
    "PrintedData",
    "PrintedDelta",
    "PrintedTable",
    "PrintedValue",
    "printed_data",
    "printed_deltas",
    "printed_size",
    "printed_tables",
    "printed_values",
]

KINDS = ("score", "confusion", "spread", "size", "cost", "count", "delta", "test", "range")
# Our metric of a printed key, by kind.
_METRICS = {
    "accuracy": "accuracy",
    "accuracy_mean": "accuracy",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "f1": "f1_macro",
    "map50": "map50",
    "face_det_accuracy": "face_detection",
    "loss": "nll",
}
# Of one class, or of a pair of classes; see `PrintedValue.metric`.
_PAIRS = {
    "recall_angry": "recall:anger",
    "recall_disgust": "recall:disgust",
    "angry_as_disgust": "confused:anger:disgust",
    "disgust_as_angry": "confused:disgust:anger",
}
_SPREADS = {"accuracy_std": "std:accuracy", "map50_std": "std:map50"}
_COSTS = {"params_m": "size", "gflops": "cost", "fps": "cost", "latency_ms": "cost"}
# Kinds of robustness tests that a row's `variant` may name, with the condition as its value.
_ROBUSTNESS = ("canvas", "degraded")
# What a table was measured on, if not on test, and our subset of that name.
_SUBSETS = {"training": "train", "best validation": "val"}
# Our source of a data set, by the paper's name for it.
SOURCES = {
    "RAF-DB": "rafdb_basic",
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
            faces of anger that were predicted as disgust, `std:map50` the deviation of a score,
            `count:anger` images of a class.
        value: a fraction for scores, confusions, spreads and deltas of them; else in the printed
            unit; NaN for what is printed as a word.
        epoch: of the paper's best checkpoint, if printed.
        quoted: the paper took it from another work.
        setting: how the row differs from the plain model, in words.
        robustness: kind and condition of the altered test images it was measured on; None for test.
        kind: one of `KINDS`.
        half_unit: half a unit of the last printed digit, in the unit of `value`.
        subset: of our results that it is measured on: test, train or val.
        std: the standard deviation over runs printed beside it, as a fraction; None without.
        runs: number of runs behind it; None if the paper does not say.
        test_images: m, the paper's test images; None if the paper does not say.
        text: as printed.
    """

    paper: str
    table: str
    row: str
    model: str | None
    dataset: str
    trained_on: str
    metric: str
    value: float
    epoch: int | None = None
    quoted: bool = False
    setting: str = ""
    robustness: tuple[str, str] | None = None
    kind: str = "score"
    half_unit: float = 0.0
    subset: str = "test"
    std: float | None = None
    runs: int | None = None
    test_images: int | None = None
    text: str = ""

    @property
    def place(self) -> str:
        """Paper and table: `P0-T2`."""
        return f"{self.paper}-{self.table}"


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


@dataclass(frozen=True)
class PrintedTable:
    """A table or figure of a paper.

    Args:
        paper: `P0` to `P4`.
        table: such as `T13`.
        caption: in short.
        missing: why it has no values; empty if it has.
    """

    paper: str
    table: str
    caption: str
    missing: str

    @property
    def place(self) -> str:
        """Paper and table: `P0-T2`."""
        return f"{self.paper}-{self.table}"


@dataclass(frozen=True)
class PrintedData:
    """What a paper says of a data set; None for what it does not say.

    Args:
        images: of the whole data set.
        classes: number of classes.
        test_images: of the test part.
    """

    images: int | None
    classes: int | None
    test_images: int | None


class _Printed(float):
    """A printed number that knows its digits behind the point."""

    text: str

    @property
    def half_unit(self) -> float:
        """Half a unit of the last digit."""
        return 0.5 * 10.0 ** -len(self.text.partition(".")[2])


class _Loader(yaml.SafeLoader):
    """Reads numbers with a point as `_Printed`."""


def _construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> _Printed:
    number = _Printed(loader.construct_yaml_float(node))
    number.text = str(node.value)
    return number


_Loader.add_constructor("tag:yaml.org,2002:float", _construct)


def printed_values() -> list[PrintedValue]:
    """All printed values of all kinds, in the papers' order."""
    return list(_all_values())


def printed_tables() -> list[PrintedTable]:
    """All tables and figures, in the papers' order, also those without values."""
    return [
        PrintedTable(paper, name, str(table["caption"]), str(table.get("missing", "")))
        for paper, name, table in _tables()
    ]


def printed_data(paper: str, dataset: str) -> PrintedData:
    """What a paper says of a data set.

    Args:
        paper: `P0` to `P4`.
        dataset: by the paper's name.
    """
    stated = _tree()[paper].get("data", {}).get(dataset, {})
    return PrintedData(*(stated.get(key) for key in ("images", "classes", "test_images")))


def printed_size(variant: str, key: str) -> float | None:
    """The size of a variant in the first paper that prints it; None if none does.

    Args:
        variant: our name.
        key: `params_m`, millions of parameters, or `gflops`.
    """
    for _, _, table in _tables():
        for row in table.get("rows", ()):
            if key in row and row.get("model") == variant and not _setting(table, row):
                return float(row[key])
    return None


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
        for paper, name, table in _tables()
        for model, values in table.get("printed_delta", {}).items()
        if isinstance(values, Mapping)
    ]


@cache
def _tree() -> dict[str, Any]:
    text = (files("ferbench.reporting") / "printed.yaml").read_text(encoding="utf-8")
    # A subclass of the safe loader that adds no more than digits to numbers.
    return dict(yaml.load(text, Loader=_Loader)["papers"])


def _tables() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Paper, name of the table, and table."""
    for paper, entry in _tree().items():
        for name, table in entry["tables"].items():
            yield paper, name, table


def _all_values() -> Iterator[PrintedValue]:
    for paper, name, table in _tables():
        for row in table.get("rows", ()):
            yield from _of_row(paper, name, table, row)
        yield from _of_deltas(paper, name, table)
        yield from _of_test(paper, name, table)
        yield from _of_matrices(paper, name, table)
        yield from _of_labels(paper, name, table)


def _of_row(
    paper: str, name: str, table: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[PrintedValue]:
    altered = [(k, str(v)) for k, v in row.get("variant", {}).items() if k in _ROBUSTNESS]
    measured = row.get("measured", table.get("measured"))
    common = {
        "epoch": row.get("opt_epoch"),
        "setting": _setting(table, row),
        "robustness": altered[0] if altered else None,
        "subset": _SUBSETS[measured] if measured else "test",
        "runs": row.get("rounds"),
    }
    quoted, unit = row.get("quoted", ()), table.get("units", {})
    for key, kind, metric, number in _numbers(row):
        share = 1 if unit.get(key) == "fraction" or metric == "nll" else 100
        spread = row.get(f"{key.removesuffix('_mean')}_std")
        # A spread has the unit of its score, unless the table gives it one of its own.
        std_unit = unit.get(f"{key}_std")
        std = None if spread is None else spread / (1 if std_unit == "fraction" else 100)
        if kind not in ("score", "confusion", "spread"):
            share, std = 1, None
        more = {"kind": kind, "quoted": key in quoted, "std": std}
        yield _value((paper, name, table, row), metric, number, share, **common, **more)
    for dataset, number in row.get("n", {}).items():
        metric = f"count:{normalise(str(row['row']))}"
        more = {"kind": "count", "dataset": dataset}
        yield _value((paper, name, table, row), metric, number, 1, **more)
    for word in row.get("values", ()):
        metric = f"range:{row['parameter']}"
        yield _value((paper, name, table, row), metric, word, 1, kind="range")


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """Key, kind, metric and printed number of what a row prints of its model."""
    emotion = normalise(str(row["row"]))
    for key, metric in {**_METRICS, **_PAIRS}.items():
        if isinstance(row.get(key), int | float):
            kind = "confusion" if metric.startswith("confused") else "score"
            yield key, kind, _averaged(metric, str(row["row"])), row[key]
    for name, value in row.get("ap50", {}).items():
        metric = "map50" if name == "mean" else f"ap50:{normalise(name)}"
        yield "ap50", "score", metric, value
    spreads = {key: ("spread", metric) for key, metric in _SPREADS.items()}
    costs = {key: (kind, key) for key, kind in _COSTS.items()}
    counts = {"support": ("count", f"support:{emotion}" if emotion else "support")}
    for key, (kind, metric) in {**spreads, **costs, **counts}.items():
        if isinstance(row.get(key), int | float):
            yield key, kind, metric, row[key]


def _averaged(metric: str, row: str) -> str:
    """The metric of one class, or of another average, where the row's label names it."""
    if emotion := normalise(row):
        return f"{metric.removesuffix('_macro')}:{emotion}"
    return metric.replace("_macro", "_weighted") if row.startswith("weighted") else metric


def _of_deltas(paper: str, name: str, table: Mapping[str, Any]) -> Iterator[PrintedValue]:
    """Printed differences: of two models by metric, or of a model's two rows by class."""
    for key, change in table.get("printed_delta", {}).items():
        if not isinstance(change, Mapping):
            label = {"row": "difference", "model": table["rows"][-1]["model"]}
            metric = f"delta:{_PAIRS[key]}"
            yield _value((paper, name, table, label), metric, change, 1, kind="delta")
            continue
        for emotion, number in change.items():
            metric = "map50" if emotion == "mean" else f"ap50:{normalise(emotion)}"
            label = {"row": "difference", "model": key}
            altered = next(row["variant"] for row in table["rows"] if "variant" in row)
            ((kind, condition),) = altered.items()
            more = {"kind": "delta", "robustness": (kind, str(condition))}
            yield _value((paper, name, table, label), f"delta:{metric}", number, 100, **more)


def _of_test(paper: str, name: str, table: Mapping[str, Any]) -> Iterator[PrintedValue]:
    for statistic, number in table.get("test", {}).items():
        label = {"row": "t-test", "model": table["rows"][-1]["model"]}
        yield _value((paper, name, table, label), f"test:{statistic}", number, 1, kind="test")


def _of_matrices(paper: str, name: str, table: Mapping[str, Any]) -> Iterator[PrintedValue]:
    """The readable cells of printed confusion matrices, as shares of the faces of their class."""
    words = [str(normalise(word)) for word in table.get("order", ())]
    altered = tuple(*table.get("variant", {}).items()) or None
    for matrix, rows in table.get("matrices", {}).items():
        label = {"row": matrix.replace("_", ", "), "model": table["models"][matrix]}
        for true, faces, cells in zip(words, table["faces"], rows, strict=True):
            for predicted, cell in zip(words, cells, strict=True):
                if cell is None:
                    continue
                metric = f"confused:{true}:{predicted}"
                more = {"kind": "confusion", "robustness": altered}
                yield _value((paper, name, table, label), metric, cell, faces, **more)


def _of_labels(paper: str, name: str, table: Mapping[str, Any]) -> Iterator[PrintedValue]:
    """Labels of a figure whose curves are not known."""
    for key, numbers in table.get("ocr_fragments", {}).items():
        metric = "face_detection" if key.startswith("face") else "accuracy"
        for number in numbers:
            label = {"row": "label of an unknown curve", "model": None}
            yield _value(
                (paper, name, table, label), metric, number, 100, robustness=("canvas", "mean")
            )


def _value(
    place: tuple[str, str, Mapping[str, Any], Mapping[str, Any]],
    metric: str,
    printed: Any,
    share: float,
    **more: Any,
) -> PrintedValue:
    """A record of a printed number, by paper, table's name, table and row, divided by `share`."""
    paper, name, table, row = place
    dataset = str(more.pop("dataset", row.get("dataset", table.get("dataset", ""))))
    known = isinstance(printed, int | float)
    half = (printed.half_unit if isinstance(printed, _Printed) else 0.5) if known else 0.0
    return PrintedValue(
        paper=paper,
        table=name,
        row=str(row["row"]),
        model=row.get("model"),
        dataset=dataset,
        trained_on=str(table.get("trained_on", dataset)),
        metric=metric,
        value=printed / share if known else float("nan"),
        half_unit=half / share,
        test_images=printed_data(paper, dataset).test_images if dataset else None,
        text=_text(printed),
        **more,
    )


def _text(printed: Any) -> str:
    if printed is None:
        return "/"
    return printed.text if isinstance(printed, _Printed) else str(printed)


def _setting(table: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """How the row differs from the score of its model, in words."""
    apart = {key: value for key, value in row.get("variant", {}).items() if key not in _ROBUSTNESS}
    return ", ".join(f"{key} {value}" for key, value in apart.items())
