"""A data set row's share of the report: verdict, tables and charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferbench.reporting.datasets import count_pairs, floor_table, promise_table
from ferbench.reporting.drawing import Chart
from ferbench.reporting.figures import class_chart, difference_chart, leaderboard_chart
from ferbench.reporting.numbers import percent
from ferbench.reporting.panels import confusion_chart, curve_chart, shares
from ferbench.reporting.provenance import source_line
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean, at
from ferbench.reporting.tables import Table, comparison_table, leaderboard_table, metrics_table
from ferbench.reporting.verdict import Verdict, judge

__all__ = ["Section", "section_of"]


@dataclass(frozen=True)
class Section:
    """All that is said of one data set under one protocol."""

    key: str
    name: str
    protocol: str
    verdict: Verdict
    source: str
    leaderboard: Table
    leaderboard_chart: Chart
    metrics: Table
    comparisons: Table
    differences: tuple[Chart, ...]
    confusions: tuple[Chart, ...]
    curves: tuple[Chart, ...]
    facts: Mapping[str, Any]
    counts: list[tuple[str, str]]
    classes: Chart
    promises: Table
    floor: Table

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        several = (*self.differences, *self.confusions, *self.curves)
        return [self.leaderboard_chart, self.classes, *several]

    @property
    def tables(self) -> list[Table]:
        """All tables."""
        return [self.leaderboard, self.metrics, self.comparisons, self.promises, self.floor]


def section_of(files: StudyFiles, key: str) -> Section:
    """Everything about one data set row."""
    name, protocol = files.place(key)
    compare, facts = files.params.compare, files.facts[key]
    metric = compare.metrics[0]
    ranked = at(files.means, (name, protocol), metric)
    pairs = [c for c in files.comparisons if (c.dataset, c.protocol) == (name, protocol)]
    first = [c for c in pairs if (c.metric, c.test) == (metric, compare.tests[0])]
    title = f"{metric} of every variant on {name} under {protocol}, best first"
    return Section(
        key=key,
        name=name,
        protocol=protocol,
        verdict=judge(ranked, files.floor(key), first, compare.alpha),
        source=source_line(files, key),
        leaderboard=leaderboard_table(files, key, metric),
        leaderboard_chart=leaderboard_chart(f"leaderboard_{key}", title, ranked, files.floor(key)),
        metrics=metrics_table(files, key, ranked),
        comparisons=comparison_table(f"comparisons_{key}", pairs, compare.alpha),
        differences=_differences(files, key, first),
        confusions=tuple(_confusion(files, key, mean) for mean in ranked),
        curves=tuple(_curve(files, key, mean) for mean in ranked),
        facts=facts,
        counts=count_pairs(facts),
        classes=class_chart(f"classes_{key}", f"images of each class of {name}", facts["emotions"]),
        promises=promise_table(key, facts),
        floor=floor_table(key, files.floors[key]),
    )


def _differences(files: StudyFiles, key: str, pairs: list[Any]) -> tuple[Chart, ...]:
    baseline = files.params.study.baseline
    rows = sorted((c for c in pairs if c.variant_a == baseline), key=lambda c: -c.estimate)
    if not rows:
        return ()
    title = f"difference of {rows[0].metric} from the baseline {baseline} on {files.place(key)[0]}"
    alpha = files.params.compare.alpha
    return (difference_chart(f"differences_{key}", title, rows, alpha),)


def _confusion(files: StudyFiles, key: str, mean: Mean) -> Chart:
    table = files.confusion
    here = (table["dataset"] == mean.dataset) & (table["protocol"] == mean.protocol)
    ours = here & (table["variant"] == mean.variant) & (table["subset"] == "test")
    title = f"{mean.variant}, {percent(mean.mean)} % {mean.metric}"
    return confusion_chart(f"confusion_{key}_{mean.variant}", title, shares(table[ours]))


def _curve(files: StudyFiles, key: str, mean: Mean) -> Chart:
    table = files.history
    ours = table[(table["dataset"] == key) & (table["variant"] == mean.variant)]
    task = files.descriptions[mean.variant]["task"]
    score = files.params.train.select[task]
    title = f"{mean.variant}, {ours['epoch'].nunique()} epochs"
    return curve_chart(f"curves_{key}_{mean.variant}", title, ours, score)
