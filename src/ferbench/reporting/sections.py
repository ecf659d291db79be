"""A data set row's share of the report: verdict, tables and charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferbench.reporting.blocks import Block, Table
from ferbench.reporting.classes import class_block
from ferbench.reporting.datasets import (
    audit_pairs,
    baseline_table,
    count_pairs,
    promise_table,
    size_table,
)
from ferbench.reporting.drawing import Chart
from ferbench.reporting.figures import class_chart, difference_chart, leaderboard_chart
from ferbench.reporting.leaks import leak_block, noise_words
from ferbench.reporting.numbers import percent
from ferbench.reporting.panels import confusion_chart, curve_chart, shares
from ferbench.reporting.power import power_block, power_words
from ferbench.reporting.provenance import source_line
from ferbench.reporting.ranks import rank_block
from ferbench.reporting.reliability import reliability_charts
from ferbench.reporting.robustness import robustness_blocks
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean, at
from ferbench.reporting.tables import comparison_table, leaderboard_table, metrics_table
from ferbench.reporting.verdict import Verdict, judge

__all__ = ["Data", "Section", "section_of"]

_BOXES = "test_boxes"  # the subset of `confusion.csv` that counts a detector's boxes


@dataclass(frozen=True)
class Data:
    """What is known of a data set row before any network has seen it."""

    facts: Mapping[str, Any]
    counts: list[tuple[str, str]]
    classes: Chart
    leaks: Block
    noise: str
    sizes: Table
    promises: Table
    floor: Table

    @property
    def tables(self) -> list[Table]:
        """All tables."""
        found = [*self.leaks.tables, self.floor, self.sizes, self.promises]
        return [table for table in found if table.rows]


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
    data: Data
    comparisons: Table
    all_comparisons: Table
    differences: tuple[Chart, ...]
    ranks: Block | None
    power: Block | None
    power_words: tuple[str, ...]
    confusions: tuple[Chart, ...]
    box_confusions: tuple[Chart, ...]
    classes: Block | None
    reliability: tuple[Chart, ...]
    robustness: list[Block]
    curves: tuple[Chart, ...]

    @property
    def blocks(self) -> list[Block]:
        """What is a block, in the page's order."""
        found = [self.ranks, self.power, self.classes, *self.robustness]
        return [block for block in found if block is not None]

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        several = (
            *self.differences,
            *self.confusions,
            *self.box_confusions,
            *self.reliability,
            *self.curves,
        )
        of_blocks = [chart for block in self.blocks for chart in block.charts]
        return [self.leaderboard_chart, self.data.classes, *several, *of_blocks]

    @property
    def tables(self) -> list[Table]:
        """All tables."""
        own = [self.leaderboard, self.metrics, self.comparisons, self.all_comparisons]
        return [*own, *self.data.tables, *(t for block in self.blocks for t in block.tables)]


def section_of(files: StudyFiles, key: str) -> Section:
    """Everything about one data set row."""
    name, protocol = files.place(key)
    compare = files.params.compare
    metric = compare.metrics[0]
    ranked = at(files.means, (name, protocol), metric)
    pairs = [c for c in files.comparisons if (c.dataset, c.protocol) == (name, protocol)]
    first = [c for c in pairs if (c.metric, c.test) == (metric, compare.tests[0])]
    return Section(
        key=key,
        name=name,
        protocol=protocol,
        verdict=judge(ranked, files.naive_baselines(key), first, compare.alpha),
        source=source_line(files, key),
        leaderboard=leaderboard_table(files, key, metric),
        leaderboard_chart=_leaderboard(files, key, ranked),
        metrics=metrics_table(files, key, ranked),
        data=_data(files, key),
        comparisons=comparison_table(f"comparisons_{key}", first, compare.alpha),
        all_comparisons=comparison_table(f"pairs_{key}", pairs, compare.alpha, folded=True),
        differences=_differences(files, key, first),
        ranks=rank_block(files, (name, protocol), key),
        power=power_block(files, key),
        power_words=power_words(files, key),
        confusions=tuple(_confusion(files, key, mean) for mean in ranked),
        box_confusions=tuple(_box_confusions(files, key, ranked)),
        classes=class_block(files, key, ranked),
        reliability=reliability_charts(files, key, ranked),
        robustness=robustness_blocks(files, key),
        curves=tuple(_curve(files, key, mean) for mean in ranked),
    )


def _leaderboard(files: StudyFiles, key: str, ranked: Sequence[Mean]) -> Chart:
    name, protocol = files.place(key)
    title = f"{ranked[0].metric} of every variant on {name} under {protocol}, best first"
    return leaderboard_chart(f"leaderboard_{key}", title, ranked, files.naive_baselines(key))


def _data(files: StudyFiles, key: str) -> Data:
    facts, audit, name = files.facts[key], files.audits[key], files.place(key)[0]
    return Data(
        facts=facts,
        counts=[*count_pairs(facts), *audit_pairs(audit)],
        classes=class_chart(f"classes_{key}", f"images of each class of {name}", facts["emotions"]),
        leaks=leak_block(files, key),
        noise=noise_words(files, key),
        sizes=size_table(key, audit),
        promises=promise_table(key, facts),
        floor=baseline_table(key, files.baselines[key]),
    )


def _differences(files: StudyFiles, key: str, pairs: list[Any]) -> tuple[Chart, ...]:
    control = files.params.study.control
    rows = sorted((c for c in pairs if c.variant_a == control), key=lambda c: -c.estimate)
    if not rows:
        return ()
    title = f"difference of {rows[0].metric} from the control {control} on {files.place(key)[0]}"
    alpha = files.params.compare.alpha
    return (difference_chart(f"differences_{key}", title, rows, alpha),)


def _confusion(files: StudyFiles, key: str, mean: Mean) -> Chart:
    table = files.here(files.confusion, key)
    ours = (table["variant"] == mean.variant) & (table["subset"] == "test")
    title = f"{mean.variant}, {percent(mean.mean)} % {mean.metric}"
    return confusion_chart(f"confusion_{key}_{mean.variant}", title, shares(table[ours]))


def _box_confusions(files: StudyFiles, key: str, ranked: Sequence[Mean]) -> Iterator[Chart]:
    """Of the detectors' boxes, background among the classes."""
    table = files.here(files.confusion, key)
    for mean in ranked:
        ours = table[(table["variant"] == mean.variant) & (table["subset"] == _BOXES)]
        if len(ours):
            name, title = f"boxes_{key}_{mean.variant}", f"{mean.variant}, boxes"
            yield confusion_chart(name, title, shares(ours))


def _curve(files: StudyFiles, key: str, mean: Mean) -> Chart:
    table = files.history
    ours = table[(table["dataset"] == key) & (table["variant"] == mean.variant)]
    task = files.descriptions[mean.variant]["task"]
    score = files.params.train.select[task]
    title = f"{mean.variant}, {ours['epoch'].nunique()} epochs"
    return curve_chart(f"curves_{key}_{mean.variant}", title, ours, score)
