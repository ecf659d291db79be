"""How scores change where a probe altered the test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import isnan
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferbench.artifacts.results import exceeds
from ferbench.emotions import in_order
from ferbench.reporting.blocks import Block, Table, Value, difference, share, word
from ferbench.reporting.drawing import ACCENT, INK, MUTED, SURFACE, WARM, Chart, bare, draw_chart
from ferbench.reporting.figures import PER_CENT
from ferbench.reporting.numbers import NOTHING, percent
from ferbench.reporting.printed import printed_deltas
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["conditions_of", "robustness_blocks"]

_MEAN = "mean"
_PLAIN = "plain"  # the faces of test that the probe drew, not altered, where these are not all
# Of faces that a box finds; only detectors have it.
_FOUND = "face_detection"


def conditions_of(files: StudyFiles, probe: str) -> list[str]:
    """The conditions of a robustness test that were measured, the mean over them last."""
    conditions = files.results.loc[files.results["robustness"] == probe, "condition"].unique()
    found = [str(condition) for condition in conditions if condition != _PLAIN]
    return sorted(found, key=lambda condition: condition == _MEAN)


def _before(files: StudyFiles, key: str, probe: str) -> str:
    """The subset that a probe's scores are held against: the same faces, not altered."""
    drawn = f"{probe}_{_PLAIN}"
    return drawn if files.on(drawn, key, files.params.compare.metrics[0]) else "test"


def robustness_blocks(files: StudyFiles, key: str) -> list[Block]:
    """A block a probe that some variant of this data set row answered."""
    blocks = [_block(files, key, probe) for probe in files.params.robustness]
    return [block for block in blocks if block is not None]


def _block(files: StudyFiles, key: str, probe: str) -> Block | None:
    metric, conditions = files.params.compare.metrics[0], conditions_of(files, probe)
    scores = {c: files.on(f"{probe}_{c}", key, metric) for c in conditions}
    if not any(scores.values()):
        return None
    metrics = [metric, *([_FOUND] if files.on(f"{probe}_{conditions[0]}", key, _FOUND) else [])]
    single = [c for c in conditions if c != _MEAN]
    tables = [_table(files, key, probe, name) for name in metrics]
    charts = [_curves(files, key, probe, name) for name in metrics if len(single) > 1]
    if len(single) == 1:
        tables.append(
            _class_table(files, key, (f"{probe}_{single[0]}", _before(files, key, probe)))
        )
    kind = files.params.robustness[probe].kind
    return Block(
        title=f"{files.place(key)[0]}: probe {probe}" + (f" ({kind})" if kind != probe else ""),
        words=(_words(files, key, probe, scores),),
        charts=tuple(charts),
        tables=tuple(table for table in tables if table.rows),
        note="Means over seeds; “test” is of the same faces, not altered. A variant that is not "
        "listed could not be shown these images: a classifier has no answer to where a face is. AP "
        "of a class is of a detector's boxes at IoU 0.5, or of a classifier's probabilities.",
    )


def _words(
    files: StudyFiles, key: str, probe: str, scores: Mapping[str, Mapping[str, Mean]]
) -> str:
    """Who loses least, by the mean over conditions or the only one."""
    metric, name = files.params.compare.metrics[0], list(scores)[-1]
    test = files.on(_before(files, key, probe), key, metric)
    losses = {v: mean.mean - test[v].mean for v, mean in scores[name].items() if v in test}
    if not losses:
        return ""
    best, worst = max(losses, key=lambda v: losses[v]), min(losses, key=lambda v: losses[v])
    where = "on average over all conditions" if name == _MEAN else f"under {name}"
    text = f"{best} changes by {_signed(losses[best])} points of {metric} {where}"
    if best != worst:
        text = f"{text}, which is best; {worst} by {_signed(losses[worst])}"
    whole = files.on("test", key, metric)[best].mean
    if exceeds(whole, max(files.naive_baselines(key).values())):
        return f"{text}."
    score = f"{percent(whole)} % on all of test"
    return f"{text}. With {score} {best} is not better than the naive baseline."


def _signed(of: float) -> str:
    return difference(of).text


def _table(files: StudyFiles, key: str, probe: str, metric: str) -> Table:
    conditions = conditions_of(files, probe)
    test = files.on(_before(files, key, probe), key, metric)
    scores = {c: files.on(f"{probe}_{c}", key, metric) for c in conditions}
    variants = dict.fromkeys(variant for means in scores.values() for variant in means)
    last, rows = conditions[-1], []
    for variant in sorted(
        variants, key=lambda v: -scores[last][v].mean if v in scores[last] else 0
    ):
        cells = {"variant": word(variant), f"{metric}, test %": _of(test.get(variant))}
        cells |= {f"{c} %": _of(scores[c].get(variant)) for c in conditions}
        if variant in test and variant in scores[last]:
            gap = difference(scores[last][variant].mean - test[variant].mean)
        else:
            gap = Value(NOTHING, float("nan"))
        rows.append({**cells, f"{last} − test, points": gap})
    return Table(f"probe_{probe}_{key}_{metric}", tuple(rows), title=metric)


def _of(mean: Mean | None) -> Value:
    return share(None if mean is None else mean.mean)


def _class_table(files: StudyFiles, key: str, subsets: tuple[str, str]) -> Table:
    """Change of every class's average precision, and the paper's where it printed one."""
    classes, subset = files.table("classes", key), subsets[0]
    if classes.empty:
        return Table(f"classes_{subset}_{key}", ())
    change = _changes(classes, subsets)
    rows = [_class_row(variant, part) for variant, part in change.items()]
    source, printed = files.params.datasets[key].tested_on, []
    for delta in printed_deltas():
        if delta.model in change and delta.source == source:
            name = f"{delta.model} as {delta.paper}-{delta.table} prints"
            printed.append(_class_row(name, delta.values))
    columns = list(rows[0]) if rows else []
    empty = Value(NOTHING, float("nan"))
    both = [{name: row.get(name, empty) for name in columns} for row in (*rows, *printed)]
    return Table(f"classes_{subset}_{key}", tuple(both), notes=len(printed), title="classes")


def _changes(classes: pd.DataFrame, subsets: tuple[str, str]) -> dict[str, dict[str, float]]:
    """By variant and emotion, altered minus not: of boxes if there are any, else of answers."""
    subset, before = subsets
    found: dict[str, dict[str, float]] = {}
    for variant, part in classes.groupby("variant", sort=False):
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


def _curves(files: StudyFiles, key: str, probe: str, metric: str) -> Chart:
    """Score over conditions, a line a variant."""
    conditions = [c for c in conditions_of(files, probe) if c != _MEAN]
    scores = {c: files.on(f"{probe}_{c}", key, metric) for c in conditions}
    lines = {
        variant: [
            scores[c][variant].mean if variant in scores[c] else float("nan") for c in conditions
        ]
        for variant in scores[conditions[-1]]
    }
    name = metric.replace("_", " ")
    title = f"{name} on {files.place(key)[0]} over the conditions of {probe}"
    draw = partial(_draw, lines=lines, conditions=conditions, axis=_axis(probe, conditions))
    size = (6.2, max(2.8, 1.2 + 0.24 * len(lines)))
    return draw_chart(f"probe_{probe}_{key}_{metric}", title, size, draw)


def _axis(probe: str, conditions: Sequence[str]) -> str:
    numeric = all(condition.isdigit() for condition in conditions)
    return f"{probe}: side of the face, px" if numeric else probe


def _draw(
    figure: Figure, lines: Mapping[str, Sequence[float]], conditions: Sequence[str], axis: str
) -> None:
    axes = figure.subplots()
    bare(axes, "y")
    values = [v for line in lines.values() for v in line if not isnan(v)]
    gap = max(max(values) - min(values), 0.05) * 0.24 / (figure.get_figheight() - 0.9)
    last = -1.0
    ordered = sorted(lines, key=lambda variant: lines[variant][-1])
    for variant in ordered:
        last = max(lines[variant][-1], last + gap)  # labels keep a line's distance
        _line(axes, variant, lines[variant], last, best=variant == ordered[-1])
    low, high = min(values), max(*values, last)
    slack = max(0.1 - (high - low), 0) / 2 + 0.02  # at least ten points are seen
    axes.set_ylim(max(low - slack, min(low, 0) - 0.02), high + slack)
    axes.set_xlim(-0.2, len(conditions) - 1 + 0.45 * len(conditions))
    axes.set_xticks(range(len(conditions)), list(conditions))
    axes.yaxis.set_major_formatter(PER_CENT)
    axes.set_xlabel(axis)
    axes.set_ylabel("per cent")


def _line(axes: Axes, variant: str, line: Sequence[float], y: float, *, best: bool) -> None:
    """A variant's line with its name and last value to the right."""
    look: dict[str, Any] = {"color": WARM, "lw": 2.2} if best else {"color": ACCENT, "lw": 1.4}
    axes.plot(range(len(line)), line, "o-", ms=5, mec=SURFACE, alpha=1 if best else 0.7, **look)
    axes.annotate(
        f"{variant} {percent(line[-1])}",
        (len(line) - 1, y),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=INK if best else MUTED,
    )
