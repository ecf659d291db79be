"""Paper against ours: every printed value that the study can be compared with, and a verdict.

A printed value is `reproduced` if it lies within our 95 % interval. That verdict, and `not
reproduced`, need the paper's own protocol and recipe; everything else is `not comparable`, with the
reasons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from ferbench.config.deviations import deviations, unstated_settings
from ferbench.reporting.numbers import count
from ferbench.reporting.printed import SOURCES, PrintedValue, printed_values
from ferbench.reporting.study_files import Mean, StudyFiles, mean_of

__all__ = ["COLUMNS", "VERDICTS", "Against", "against_papers", "measured", "paper_frame", "summary"]

COLUMNS = (
    *("paper", "table", "row", "dataset", "metric"),
    *("printed", "mean", "low", "high", "n", "verdict", "reason"),
)
VERDICTS = ("reproduced", "not reproduced", "not comparable")
# The split that each paper states; the others do not state theirs.
_PROTOCOLS = {
    ("P0", "rafdb_basic"): "stratified_70_10_20",
    ("P0", "rafdb_compound"): "stratified_70_10_20",
    ("P0", "ckplus"): "stratified_70_10_20",
    ("P0", "fer2013"): "stratified_70_10_20",
    ("P1", "ckplus"): "p1_60_20_20",
    ("P1", "fer2013"): "official",
    ("P4", "rafdb_basic"): "p4_half_test",
}
# Tables that do not measure what they claim to.
_DOUBTS = {
    ("P3", "T2"): "the paper's own matrices count all 35,887 images, those of training among them"
}
_OF_BOXES = ("precision_macro", "recall_macro", "f1_macro")
# Our metric where the one of the same name is another quantity: P, R and F1 of a detector are
# printed over its boxes where the mean F1 is best, "mAP" of a classifier over its probabilities.
_EQUIVALENT = {
    "detect": {
        "precision_macro": "precision_box",
        "recall_macro": "recall_box",
        "f1_macro": "f1_box",
    },
    "classify": {"map50": "ap_macro"},
}


@dataclass(frozen=True)
class Against:
    """A printed value beside ours.

    Args:
        value: the printed value.
        dataset: our name, or the paper's if we have none.
        mean: ours; None if there is none.
        verdict: one of `VERDICTS`.
        reasons: why it is not comparable, or in what the data still differ.
        deviations: of network and training from the paper's.
        unstated: settings of them that the paper does not state.
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
        details = (f"{what}: {', '.join(items)}" for what, items in listed.items() if items)
        return "; ".join((*self.reasons, *details))


@lru_cache(maxsize=1)
def against_papers(study: StudyFiles) -> list[Against]:
    """Every printed value of the study's models and data, in the papers' order.

    A table that the study answers is listed whole; of other tables, the rows whose model and data
    set are in the study.
    """
    return [against for value in printed_values() for against in _all(value, study)]


def summary(study: StudyFiles) -> str:
    """How many printed values were reproduced, in one or two sentences."""
    answers, rows = study.params.study.paper_tables, against_papers(study)
    head = (
        f"This study reproduces {', '.join(answers)}."
        if answers
        else "This study reproduces no table of a paper."
    )
    if not rows:
        return (
            f"{head} No paper prints a result of its models on its data, so there is nothing to "
            "compare it with."
        )
    measured_rows = [row for row in rows if row.mean]
    counts = Counter(row.verdict for row in measured_rows)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    return (
        f"{head} Of {len(rows)} printed values of its models, data and tables, "
        f"{len(measured_rows)} were measured here: {verdicts}."
    )


def paper_frame(rows: Sequence[Against]) -> pd.DataFrame:
    """Rows of `papers.csv`: printed value and ours as fractions, verdict, reason."""
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


def measured(study: StudyFiles, key: str, variant: str, metric: str, subset: str) -> Mean | None:
    """Our mean over seeds of what a paper calls `metric`; None if the study did not measure it.

    Args:
        study: its files.
        key: data set row.
        variant: row of the variants table.
        metric: as `PrintedValue.metric`.
        subset: of `results.csv`.
    """
    name, *emotions = metric.split(":")
    if not emotions:
        other = _EQUIVALENT.get(str(study.descriptions[variant]["task"]), {}).get(metric, metric)
        return study.on(subset, key, other).get(variant) or study.on(subset, key, metric).get(
            variant
        )
    confused = name == "confused"
    table = study.here(study.confusion, key) if confused else study.table("classes", key)
    if table.empty:
        return None
    own = table[(table["variant"] == variant) & (table["subset"] == subset)].sort_values("seed")
    if confused:
        true, predicted = emotions
        own = own[own["target"] == true]
        faces = own.groupby("seed")["count"].sum()
        hits = own[own["predicted"] == predicted].groupby("seed")["count"].sum()
        values = hits / faces[faces > 0]
    else:
        values = own[(own["metric"] == name) & (own["emotion"] == emotions[0])]["value"]
    known = values.dropna().tolist()
    place = (*study.place(key), variant, metric, subset)
    return mean_of(place, known, study.params.score.interval) if known else None


def _all(value: PrintedValue, study: StudyFiles) -> Iterator[Against]:
    source, table = SOURCES.get(value.dataset), f"{value.paper}-{value.table}"
    keys = [key for key, row in study.params.datasets.items() if row.tested_on == source]
    found = []
    if value.model in study.params.variants:
        found = [against for key in keys for against in _on_data(value, study, key)]
    yield from found
    if not found and table in study.params.study.paper_tables:
        ran = bool(keys) and value.model in study.params.variants
        reason = _not_measured(value, study) if ran else "not run in this study"
        yield Against(value, value.dataset, None, VERDICTS[2], (reason,))


def _not_measured(value: PrintedValue, study: StudyFiles) -> str:
    """Why the model and data of a printed value are in the study, but not its metric."""
    kinds = {test.kind for test in study.params.robustness.values()}
    if value.robustness and value.robustness[0] not in kinds:
        kind, condition = value.robustness
        return f"the row is about {kind} {condition}, a robustness test that the study does not run"
    return f"the study does not measure {value.metric.replace(':', ' ')} there"


def _on_data(value: PrintedValue, study: StudyFiles, key: str) -> Iterator[Against]:
    """The printed value against the variant of its model on one data set row."""
    variant, subsets = str(value.model), ["test"]
    if value.robustness:
        kind, condition = value.robustness
        tests = study.params.robustness.items()
        subsets = [f"{name}_{condition}" for name, test in tests if test.kind == kind]
    training = study.params.variants[variant], study.params.recipe_of(variant)
    differs, unstated = deviations(*training), unstated_settings(*training)
    for subset in subsets:
        mean = measured(study, key, variant, value.metric, subset)
        if mean is None:
            continue
        reasons, verdict = _differences(value, study, key, mean), VERDICTS[2]
        if not reasons and not differs:
            verdict = VERDICTS[0 if mean.low <= value.value <= mean.high else 1]
            if copies := study.facts[key].get("redundant_copies", 0):
                reasons = (f"{count(copies)} redundant copies were removed before the split",)
        yield Against(value, study.place(key)[0], mean, verdict, reasons, differs, unstated)


def _differences(value: PrintedValue, study: StudyFiles, key: str, mean: Mean) -> tuple[str, ...]:
    """Why the two numbers do not measure the same; empty if they do."""
    variant, recipe = (
        study.params.variants[str(value.model)],
        study.params.recipe_of(str(value.model)),
    )
    row = study.params.datasets[key]
    source = str(recipe.paper.get("name", "no paper"))
    trained_by = source.upper() if recipe.paper else source
    protocol = _PROTOCOLS.get((value.paper, row.tested_on))
    detects = study.descriptions[str(value.model)]["task"] == "detect"
    doubt = _DOUBTS.get((value.paper, value.table))
    checks = [
        (value.quoted, "the paper quotes this value from another work"),
        (bool(value.setting), f"the row is about {value.setting}"),
        # Network and recipe.
        (not variant.has_paper, "the study's row has another part than the paper's model"),
        (source != value.paper.lower(), f"trained by the recipe of {trained_by}"),
        (
            value.robustness is not None and value.robustness[0] == "degraded",
            "the paper does not state how images were degraded",
        ),
        (doubt is not None, str(doubt)),
        # Data and split.
        (
            row.trained_on != SOURCES.get(value.trained_on),
            f"trained on {row.trained_on}, the paper's on {value.trained_on}",
        ),
        (protocol is None, "the paper does not state its split"),
        (protocol not in (None, row.protocol), f"split {row.protocol}, the paper's {protocol}"),
        (row.limit is not None, f"at most {count(row.limit)} images of the data set"),
        # Measurement.
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
    return tuple(reason for holds, reason in checks if holds)
