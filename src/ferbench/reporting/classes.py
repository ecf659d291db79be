"""Every class by itself: scores of all variants on test."""

from __future__ import annotations

from math import isnan

import pandas as pd

from ferbench.emotions import in_order
from ferbench.reporting.blocks import Block, Table, Value, number, share, word
from ferbench.reporting.confused import confused_table
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["class_block"]

_SHORT = "f1"


def class_block(files: StudyFiles, key: str, ranked: list[Mean]) -> Block | None:
    """F1 of every class and variant, and all other numbers on demand; None if nothing is known."""
    classes = files.table("classes", key)
    if classes.empty:
        return None
    tested = classes[classes["subset"] == "test"]
    means = tested.groupby(["variant", "emotion", "metric"])["value"].mean()
    emotions = in_order(list(tested["emotion"].astype(str).unique()))
    variants = [mean.variant for mean in ranked if mean.variant in set(tested["variant"])]
    return Block(
        title="Class by class",
        words=_words(means, emotions, variants),
        tables=tuple(
            table
            for table in (
                _short(f"classes_f1_{key}", means, emotions, variants),
                confused_table(files, key, ranked),
                _long(f"classes_{key}", means, emotions, variants),
            )
            if table.rows
        ),
        note="Means over seeds, on test. ap and auroc are of the probabilities, one class against "
        "the rest; what ends in box or 50 is of a detector's boxes.",
    )


def _words(means: pd.Series[float], emotions: list[str], variants: list[str]) -> tuple[str, ...]:
    best = variants[0]
    known = {e: _value(means, best, e, _SHORT) for e in emotions}
    sound = {e: value for e, value in known.items() if not isnan(value)}
    if not sound:
        return ()
    low, high = min(sound, key=lambda e: sound[e]), max(sound, key=lambda e: sound[e])
    return (
        f"{best} knows {high.replace('_', ' ')} best (F1 {share(sound[high]).text} %) and "
        f"{low.replace('_', ' ')} least ({share(sound[low]).text} %).",
    )


def _value(means: pd.Series[float], variant: str, emotion: str, metric: str) -> float:
    return float(means.get((variant, emotion, metric), float("nan")))


def _short(name: str, means: pd.Series[float], emotions: list[str], variants: list[str]) -> Table:
    rows = [
        {"F1 % of": word(variant)}
        | {e.replace("_", " "): share(_value(means, variant, e, _SHORT)) for e in emotions}
        for variant in variants
    ]
    return Table(name, tuple(rows), title="F1")


def _long(name: str, means: pd.Series[float], emotions: list[str], variants: list[str]) -> Table:
    metrics = [str(m) for m in dict.fromkeys(means.index.get_level_values("metric"))]
    scores = sorted((m for m in metrics if m != "support"), key=_rank)
    rows = []
    for variant in variants:
        for emotion in emotions:
            cells: dict[str, Value] = {
                "variant": word(variant),
                "emotion": word(emotion.replace("_", " ")),
                "faces": number(_value(means, variant, emotion, "support")),
            }
            cells |= {f"{m} %": share(_value(means, variant, emotion, m)) for m in scores}
            rows.append(cells)
    return Table(name, tuple(rows), folded=True, title="all numbers")


def _rank(metric: str) -> tuple[int, str]:
    """The usual order of a class report, then the rest by name."""
    usual = ("precision", "recall", "f1", "ap", "auroc")
    return (usual.index(metric) if metric in usual else len(usual), metric)
