"""How scores change where a robustness test altered the test images."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

import pandas as pd

from ferbench.artifacts.results import exceeds
from ferbench.emotions import in_order
from ferbench.reporting.blocks import Block, Table, Value, difference, share, word
from ferbench.reporting.charts import Chart, condition_chart
from ferbench.reporting.numbers import NOTHING, interval, percent, points
from ferbench.reporting.printed import printed_deltas
from ferbench.reporting.study_files import Mean, StudyFiles

__all__ = ["build"]

_MEAN = "mean"
_PLAIN = "plain"  # the faces that the test drew, unaltered, where these are not all of test
# Share of faces that a box finds, and mAP at IoU 0.5: only detectors have them.
_OF_BOXES = ("face_detection", "map50")
_UNKNOWN = Value(NOTHING, float("nan"))


def build(study: StudyFiles) -> Block | None:
    """A card a data set row and robustness test that some variant was run on; None without any."""
    cards = [_card(study, key, test) for key in study.keys for test in study.params.robustness]
    found = [card for card in cards if card]
    return Block("Robustness", parts=found) if found else None


def conditions_of(study: StudyFiles, test: str) -> list[str]:
    """The conditions of a robustness test, the mean over them last."""
    own = study.results[study.results["robustness"] == test]
    found = [str(condition) for condition in own["condition"].unique() if condition != _PLAIN]
    return sorted(found, key=lambda condition: condition == _MEAN)


def _before(study: StudyFiles, key: str, test: str) -> str:
    """The subset with the same faces, unaltered."""
    drawn = f"{test}_{_PLAIN}"
    return drawn if study.on(drawn, key, study.metric) else "test"


def _card(study: StudyFiles, key: str, test: str) -> Block | None:
    conditions, (name, protocol) = conditions_of(study, test), study.place(key)
    scores = {c: study.on(f"{test}_{c}", key, study.metric) for c in conditions}
    if not any(scores.values()):
        return None
    first = f"{test}_{conditions[0]}"
    boxes = (metric for metric in _OF_BOXES if study.on(first, key, metric))
    metrics = list(dict.fromkeys((study.metric, *boxes)))
    single = [condition for condition in conditions if condition != _MEAN]
    tables = [_table(study, key, test, metric) for metric in metrics]
    if len(single) == 1:
        tables.append(_class_table(study, key, f"{test}_{single[0]}", _before(study, key, test)))
    kind = study.params.robustness[test].kind
    return Block(
        title=f"{name}: {test}" + (f" ({kind})" if kind != test else ""),
        tags=(protocol,),
        words=(_words(study, key, test, scores),),
        charts=[_chart(study, key, test, m) for m in metrics] if len(single) > 1 else (),
        tables=tables,
        note="Means over seeds, with the interval of new seeds and new test faces where that is "
        "known, else of seeds; “test” is the same faces, unaltered. Variants that are not listed "
        "cannot be run on these images: a classifier does not locate faces. AP of a class is of a "
        "detector's boxes at IoU 0.5, or of a classifier's probabilities.",
    )


def _words(study: StudyFiles, key: str, test: str, scores: Mapping[str, Mapping[str, Mean]]) -> str:
    """Which variant loses least, by the mean over conditions or the only one."""
    last = list(scores)[-1]
    before = study.on(_before(study, key, test), key, study.metric)
    losses = {v: m.mean - before[v].mean for v, m in scores[last].items() if v in before}
    if not losses:
        return ""
    best, worst = max(losses, key=lambda v: losses[v]), min(losses, key=lambda v: losses[v])
    where = "on average over all conditions" if last == _MEAN else f"under {last}"
    text = f"{best} changes by {points(losses[best])} points of {study.metric} {where}"
    if best != worst:
        text = f"{text}, the least; {worst} by {points(losses[worst])}"
    whole = study.on("test", key, study.metric)[best].mean
    if exceeds(whole, max(study.naive_baselines(key).values())):
        return f"{text}."
    score = f"{percent(whole)} % on all of test"
    return f"{text}. With {score} {best} is not better than the naive baseline."


def _table(study: StudyFiles, key: str, test: str, metric: str) -> Table:
    conditions = conditions_of(study, test)
    before = study.on(_before(study, key, test), key, metric)
    scores = {c: study.on(f"{test}_{c}", key, metric) for c in conditions}
    variants = dict.fromkeys(variant for means in scores.values() for variant in means)
    last = conditions[-1]

    def falling(variant: str) -> float:
        return -scores[last][variant].mean if variant in scores[last] else 0

    rows = []
    for variant in sorted(variants, key=falling):
        cells = {"variant": word(variant), f"{metric}, test %": _of(before.get(variant))}
        cells |= {f"{c} %": _of(scores[c].get(variant)) for c in conditions}
        gap = _UNKNOWN
        if variant in before and variant in scores[last]:
            gap = difference(scores[last][variant].mean - before[variant].mean)
        known = scores[last].get(variant)
        bounds = _UNKNOWN if known is None else Value(interval(known.low, known.high), known.low)
        cells |= {f"{last}, 95 % interval": bounds}
        rows.append({**cells, f"{last} − test, points": gap})
    return Table(f"robustness_{test}_{key}_{metric}", rows, title=metric)


def _of(mean: Mean | None) -> Value:
    return share(None if mean is None else mean.mean)


def _class_table(study: StudyFiles, key: str, subset: str, before: str) -> Table:
    """Change of every class's average precision, and the paper's where it printed one."""
    changes = _changes(study.table("classes", key), subset, before)
    rows = [_class_row(variant, change) for variant, change in changes.items()]
    source, notes = study.params.datasets[key].tested_on, 0
    for delta in printed_deltas():
        if delta.model in changes and delta.source == source:
            row = _class_row(f"{delta.model} as {delta.paper}-{delta.table} prints", delta.values)
            rows.append({name: row.get(name, _UNKNOWN) for name in rows[0]})
            notes += 1
    return Table(f"classes_{subset}_{key}", rows, notes=notes, title="change by class")


def _changes(classes: pd.DataFrame, subset: str, before: str) -> dict[str, dict[str, float]]:
    """By variant and emotion, altered minus not: of boxes if there are any, else of predictions."""
    found: dict[str, dict[str, float]] = {}
    for variant, part in classes.groupby("variant", sort=False) if len(classes) else ():
        metric = "ap50" if (part["metric"] == "ap50").any() else "ap"
        means = part[part["metric"] == metric].groupby(["subset", "emotion"])["value"].mean()
        if subset in means.index and before in means.index:
            change = means[subset] - means[before]
            emotions = in_order([str(name) for name in change.index])
            found[str(variant)] = {name: float(change[name]) for name in emotions}
    return found


def _class_row(name: str, change: Mapping[str, float]) -> dict[str, Value]:
    known = [value for value in change.values() if not isnan(value)]
    mean = sum(known) / len(known) if known else float("nan")
    cells = {"change of AP, points": word(name)}
    cells |= {e.replace("_", " "): difference(value) for e, value in change.items() if e != _MEAN}
    return cells | {_MEAN: difference(change.get(_MEAN, mean))}


def _chart(study: StudyFiles, key: str, test: str, metric: str) -> Chart:
    """Score over conditions, a line a variant."""
    conditions = [condition for condition in conditions_of(study, test) if condition != _MEAN]
    scores = {c: study.on(f"{test}_{c}", key, metric) for c in conditions}
    lines = {
        variant: [
            scores[c][variant].mean if variant in scores[c] else float("nan") for c in conditions
        ]
        for variant in scores[conditions[-1]]
    }
    sizes = all(condition.isdigit() for condition in conditions)
    title = f"{metric.replace('_', ' ')} on {study.place(key)[0]} over the conditions of {test}"
    axis = f"{test}: side of the face, px" if sizes else test
    return condition_chart(f"robustness_{test}_{key}_{metric}", title, lines, conditions, axis)
