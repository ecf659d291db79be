"""Paper against ours: every printed value that the study can be held against, with a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from ferbench.config.deviations import deviations, unstated_settings
from ferbench.config.params import Dataset, Recipe, Variant
from ferbench.reporting.measured import measured
from ferbench.reporting.numbers import count
from ferbench.reporting.printed import SOURCES, PrintedValue, printed_values
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["COLUMNS", "VERDICTS", "Against", "against_papers", "paper_frame"]

COLUMNS = (
    *("paper", "table", "row", "dataset", "metric"),
    *("printed", "mean", "low", "high", "n", "verdict", "reason"),
)
VERDICTS = ("reproduced", "not reproduced", "not comparable")
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
# What is wrong with a whole table as a measure.
_DOUBTS = {
    ("P3", "T2"): "the paper's own matrices count all 35,887 images, those of training among them"
}
_OF_BOXES = ("precision_macro", "recall_macro", "f1_macro")


@dataclass(frozen=True)
class Against:
    """A printed value beside ours.

    Args:
        value: what is printed.
        dataset: our name, or the paper's if we have none.
        mean: ours; None if there is none.
        verdict: one of `VERDICTS`.
        reasons: why it is not comparable, or what still sets the two apart.
        deviations: of network and training from the paper's.
        unstated: what the paper does not state of them.
    """

    value: PrintedValue
    dataset: str
    mean: Mean | None
    verdict: str
    reasons: tuple[str, ...]
    deviations: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """All in one line."""
        listed = {
            "differs from the paper": self.deviations,
            "not stated by the paper": self.unstated,
        }
        said = (f"{what}: {', '.join(items)}" for what, items in listed.items() if items)
        return "; ".join((*self.reasons, *said))


def against_papers(files: StudyFiles) -> list[Against]:
    """Every printed value of the study's models and data, in the papers' order.

    A table that the study answers is listed whole; of other tables, the rows whose model and data
    set are in the study. `reproduced` says that the printed value lies within our interval, and is
    said only where protocol and recipe are the paper's own.
    """
    return [against for value in printed_values() for against in _all(value, files)]


def _all(value: PrintedValue, files: StudyFiles) -> Iterator[Against]:
    source, answered = SOURCES.get(value.dataset), files.params.study.paper_tables
    keys = [k for k, row in files.params.datasets.items() if row.tested_on == source]
    found = []
    if value.model in files.params.variants:
        found = [one for key in keys for one in _against(value, files, key)]
    yield from found
    if not found and f"{value.paper}-{value.table}" in answered:
        ran = bool(keys) and value.model in files.params.variants
        reason = _absent(value, files) if ran else "not run in this study"
        yield Against(value, value.dataset, None, VERDICTS[2], (reason,))


def _absent(value: PrintedValue, files: StudyFiles) -> str:
    """Why the model and data of a printed value are in the study, but not its metric."""
    kinds = {probe.kind for probe in files.params.robustness.values()}
    if value.probe and value.probe[0] not in kinds:
        kind, condition = value.probe
        return f"the row is about {kind} {condition}, and the study has no probe of that kind"
    return f"the study does not measure {value.metric.replace(':', ' ')} there"


def _against(value: PrintedValue, files: StudyFiles, key: str) -> Iterator[Against]:
    """The printed value against the variant of its model on one data set row."""
    variant, name = str(value.model), files.place(key)[0]
    for subset in _subsets(value, files):
        mean = measured(files, key, variant, value.metric, subset)
        if mean is None:
            continue
        reasons = tuple(_differences(value, files, key, mean))
        training = files.params.variants[variant], files.params.recipe_of(variant)
        differs, unstated = deviations(*training), unstated_settings(*training)
        if reasons or differs:
            yield Against(value, name, mean, VERDICTS[2], reasons, differs, unstated)
            continue
        verdict = VERDICTS[0 if mean.low <= value.value <= mean.high else 1]
        yield Against(value, name, mean, verdict, _remarks(files, key), unstated=unstated)


def _subsets(value: PrintedValue, files: StudyFiles) -> list[str]:
    """Where our side of a printed value was measured: test, or test as a probe altered it."""
    if value.probe is None:
        return ["test"]
    kind, condition = value.probe
    return [
        f"{name}_{condition}" for name, row in files.params.robustness.items() if row.kind == kind
    ]


def _differences(value: PrintedValue, files: StudyFiles, key: str, mean: Mean) -> list[str]:
    """Why the two numbers do not measure the same; empty if they do."""
    recipe = files.params.recipe_of(str(value.model))
    detects = files.descriptions[str(value.model)]["task"] == "detect"
    doubt = _DOUBTS.get((value.paper, value.table))
    checks = [
        (value.quoted, "the paper quotes this value from another work"),
        (bool(value.setting), f"the row is about {value.setting}"),
        *_other_training(value, files.params.variants[str(value.model)], recipe),
        (
            value.probe is not None and value.probe[0] == "degraded",
            "it does not say how it degraded",
        ),
        (doubt is not None, str(doubt)),
        *_other_data(value, files.params.datasets[key]),
        (
            recipe.epochs < (value.epoch or 0),
            f"at most {recipe.epochs} epochs, the paper's best was {value.epoch}",
        ),
        (
            detects and mean.metric in _OF_BOXES,
            "printed over boxes at the best threshold, ours over faces at a fixed one",
        ),
        (mean.n < 2, "one seed has no interval"),
    ]
    return [reason for holds, reason in checks if holds]


def _other_training(
    value: PrintedValue, variant: Variant, recipe: Recipe
) -> list[tuple[bool, str]]:
    """Whether the network or its recipe is not this paper's at all."""
    source = str(recipe.paper.get("name", "no paper"))
    return [
        (not variant.has_paper, "the study's row has another part than the paper's model"),
        (
            source != value.paper.lower(),
            f"trained by the recipe of {source.upper() if recipe.paper else source}",
        ),
    ]


def _other_data(value: PrintedValue, row: Dataset) -> list[tuple[bool, str]]:
    """Whether the data or its split are others, and in what."""
    protocol = _PROTOCOLS.get((value.paper, row.tested_on))
    return [
        (
            row.trained_on != SOURCES.get(value.trained_on),
            f"trained on {row.trained_on}, the paper's on {value.trained_on}",
        ),
        (protocol is None, "the paper does not say how it split"),
        (protocol not in (None, row.protocol), f"split {row.protocol}, the paper's {protocol}"),
        (row.limit is not None, f"at most {count(row.limit)} images of the data set"),
    ]


def _remarks(files: StudyFiles, key: str) -> tuple[str, ...]:
    """What still sets the data apart: the copies that were taken out before the split."""
    copies = files.facts[key].get("redundant_copies", 0)
    return (f"{count(copies)} redundant copies were removed before the split",) if copies else ()


def paper_frame(rows: Sequence[Against]) -> pd.DataFrame:
    """Rows of `papers.csv`: printed and own value as fractions, verdict, reason."""
    records = [
        {
            "paper": row.value.paper,
            "table": row.value.table,
            "row": row.value.row,
            "dataset": row.dataset,
            "metric": row.mean.metric if row.mean else row.value.metric,
            "printed": row.value.value,
            "mean": row.mean.mean if row.mean else math.nan,
            "low": row.mean.low if row.mean else math.nan,
            "high": row.mean.high if row.mean else math.nan,
            "n": row.mean.n if row.mean else 0,
            "verdict": row.verdict,
            "reason": row.reason,
        }
        for row in rows
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))
