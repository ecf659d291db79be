"""Our value for every metric that a paper prints: of results, of one class, or of two."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pandas as pd

from ferbench import plugins
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["measured"]

# Where ours of the same name would be another quantity: P, R and F1 of a detector are printed over
# its boxes where the mean F1 is best, "mAP" of a classifier over its probabilities.
_SAME = {
    "detect": {
        "precision_macro": "precision_box",
        "recall_macro": "recall_box",
        "f1_macro": "f1_box",
    },
    "classify": {"map50": "ap_macro"},
}


def measured(files: StudyFiles, key: str, variant: str, metric: str, subset: str) -> Mean | None:
    """Mean over seeds of what a paper calls `metric`; None if the study did not measure it.

    Args:
        files: of the study.
        key: data set row.
        variant: row of the variants table.
        metric: as `ferbench.reporting.printed.PrintedValue` has it.
        subset: of `results.csv`.
    """
    name, *emotions = metric.split(":")
    if not emotions:
        same = _SAME.get(str(files.descriptions[variant]["task"]), {}).get(metric, metric)
        return files.on(subset, key, same).get(variant) or files.on(subset, key, metric).get(
            variant
        )
    values = (
        _taken_for(files.here(files.confusion, key), variant, subset, emotions)
        if name == "said"
        else _of_class(files.table("classes", key), variant, subset, (name, emotions[0]))
    )
    return _mean(files, key, variant, metric, values)


def _of_class(
    classes: pd.DataFrame, variant: str, subset: str, of: tuple[str, str]
) -> Sequence[float]:
    """One number of one class, by rising seed."""
    if classes.empty:
        return ()
    metric, emotion = of
    own = classes[(classes["variant"] == variant) & (classes["subset"] == subset)]
    own = own[(own["metric"] == metric) & (own["emotion"] == emotion)].sort_values("seed")
    return own["value"].dropna().tolist()


def _taken_for(
    confusion: pd.DataFrame, variant: str, subset: str, emotions: Sequence[str]
) -> Sequence[float]:
    """Share of a class's faces that were given another name, by rising seed."""
    if confusion.empty:
        return ()
    true, said = emotions
    own = confusion[(confusion["variant"] == variant) & (confusion["subset"] == subset)]
    own = own[own["target"] == true].sort_values("seed")
    total = own.groupby("seed")["count"].sum()
    hits = own[own["predicted"] == said].groupby("seed")["count"].sum()
    return (hits / total[total > 0]).dropna().tolist()


def _mean(
    files: StudyFiles, key: str, variant: str, metric: str, values: Sequence[float]
) -> Mean | None:
    if not values:
        return None
    bounds = plugins.load("ferbench.stats.intervals", files.params.score.interval)(values)
    std = statistics.stdev(values) if len(values) > 1 else float("nan")
    low, high = bounds.low, bounds.high
    return Mean(*files.place(key), variant, metric, bounds.mean, low, high, std, tuple(values))
