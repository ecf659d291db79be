"""Every class by itself: scores of all variants, confused pairs, confusion matrices.

Source of the table of pairs: P2-T4, which compares two models on anger and disgust: recall of both
and the share of either that was predicted as the other. Here the pairs are those that all variants
together confuse most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import isnan, nan

from ferbench.emotions import in_order
from ferbench.reporting.blocks import Block, Table, Value, number, share, word
from ferbench.reporting.charts import confusion_chart, shares
from ferbench.reporting.numbers import percent
from ferbench.reporting.study_files import Mean, StudyFiles

__all__ = ["build"]

_PAIRS = 3
_BOXES = "test_boxes"  # the subset of `confusion.csv` that counts a detector's boxes
# The usual order of a class report; other metrics follow by name.
_USUAL = ("precision", "recall", "f1", "ap", "auroc")


def build(study: StudyFiles) -> Block:
    """A card a data set row."""
    return Block("Classes and confusion", parts=[_card(study, key) for key in study.keys])


def _card(study: StudyFiles, key: str) -> Block:
    name, protocol = study.place(key)
    source = Block(
        note=f"{study.source(key)}.", links=(("confusion.csv", "Counts: confusion.csv"),)
    )
    parts = (_scores(study, key), _confusion(study, key), _boxes(study, key), source)
    return Block(title=name, tags=(protocol,), parts=[part for part in parts if part])


def _scores(study: StudyFiles, key: str) -> Block | None:
    """F1 of every class and variant, and all other numbers on demand; None if there are none."""
    classes = study.table("classes", key)
    if classes.empty:
        return None
    tested = classes[classes["subset"] == "test"]
    means = tested.groupby(["variant", "emotion", "metric"])["value"].mean().to_dict()
    emotions = in_order(list(tested["emotion"].astype(str).unique()))
    scored = set(tested["variant"])
    variants = [mean.variant for mean in study.ranked(key) if mean.variant in scored]
    short = [
        {"F1 % of": word(variant)}
        | {_plain(e): share(means.get((variant, e, "f1"), nan)) for e in emotions}
        for variant in variants
    ]
    metrics = [str(m) for m in tested["metric"].unique() if m != "support"]
    metrics.sort(key=lambda m: (_USUAL.index(m) if m in _USUAL else len(_USUAL), m))
    long = [
        {
            "variant": word(variant),
            "emotion": word(_plain(emotion)),
            "faces": number(means.get((variant, emotion, "support"), nan)),
            **{f"{m} %": share(means.get((variant, emotion, m), nan)) for m in metrics},
        }
        for variant in variants
        for emotion in emotions
    ]
    best = {e: means.get((variants[0], e, "f1"), nan) for e in emotions}
    return Block(
        title="Scores by class",
        words=_extremes(variants[0], best),
        tables=(
            Table(f"classes_f1_{key}", short, title="F1"),
            confused_table(study, key, study.ranked(key)),
            Table(f"classes_{key}", long, folded=True, title="all numbers by class"),
        ),
        note="Means over seeds, on test. ap and auroc are of the probabilities, one class against "
        "the rest; metrics whose name ends in box or 50 are of a detector's boxes.",
    )


def _extremes(variant: str, f1: Mapping[str, float]) -> tuple[str, ...]:
    known = {emotion: value for emotion, value in f1.items() if not isnan(value)}
    if not known:
        return ()
    high, low = max(known, key=lambda e: known[e]), min(known, key=lambda e: known[e])
    return (
        f"{variant} is best on {_plain(high)} (F1 {percent(known[high])} %) and worst on "
        f"{_plain(low)} ({percent(known[low])} %).",
    )


def _plain(emotion: str) -> str:
    return emotion.replace("_", " ")


def _confusion(study: StudyFiles, key: str) -> Block:
    table, panels = study.here(study.confusion, key), []
    for mean in study.ranked(key):
        own = table[(table["variant"] == mean.variant) & (table["subset"] == "test")]
        title = f"{mean.variant}, {percent(mean.mean)} % {mean.metric}"
        panels.append(confusion_chart(f"confusion_{key}_{mean.variant}", title, shares(own)))
    return Block(
        title="Confusion",
        words=(
            "A row's faces by predicted class, in per cent, mean over seeds. “none” is a face that "
            "was missed.",
        ),
        panels=panels,
    )


def _boxes(study: StudyFiles, key: str) -> Block | None:
    """The detectors' boxes, with background among the classes; None without a detector."""
    table, panels = study.here(study.confusion, key), []
    for mean in study.ranked(key):
        own = table[(table["variant"] == mean.variant) & (table["subset"] == _BOXES)]
        if len(own):
            title = f"{mean.variant}, boxes"
            panels.append(confusion_chart(f"boxes_{key}_{mean.variant}", title, shares(own)))
    if not panels:
        return None
    return Block(
        title="Confusion of boxes",
        words=(
            "The same of a detector's boxes that score 0.25 or more: each is matched to the free "
            "face that it overlaps most, by an IoU of at least 0.45. The last column holds faces "
            "without a box, the last row boxes without a face, by predicted class.",
        ),
        panels=panels,
    )


def confused_table(study: StudyFiles, key: str, ranked: Sequence[Mean]) -> Table:
    """The pairs of classes most confused on test, a row a pair and variant; means over seeds."""
    counts = study.here(study.confusion, key)
    tested = counts[counts["subset"] == "test"]
    found = {m.variant: shares(tested[tested["variant"] == m.variant]) for m in ranked}
    classes = [str(name) for name in next(iter(found.values())).index]
    total = {
        (a, b): sum(float(table[b][a]) + float(table[a][b]) for table in found.values())
        for a, b in combinations(classes, 2)
    }
    confused = [pair for pair in total if total[pair] > 0]  # leaves out NaN, too
    rows: list[dict[str, Value]] = []
    for a, b in sorted(confused, key=lambda pair: -total[pair])[:_PAIRS]:
        for variant, table in found.items():
            rows.append(
                {
                    "confused pair": word(f"{_plain(a)}, {_plain(b)}"),
                    "variant": word(variant),
                    "recall of the first %": share(float(table[a][a])),
                    "recall of the second %": share(float(table[b][b])),
                    "first predicted as second %": share(float(table[b][a])),
                    "second predicted as first %": share(float(table[a][b])),
                }
            )
    return Table(f"confused_{key}", rows, title="pairs of classes most often confused")
