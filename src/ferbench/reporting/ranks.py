"""All variants at once: tests, and mean ranks with their critical difference.

Source: J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006,
figure 1: variants on an axis of mean ranks; a bar joins those that do not differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import isnan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferbench.reporting.blocks import Block, Table, Value, number, word
from ferbench.reporting.drawing import INK, MUTED, WARM, Chart, bare, draw_chart
from ferbench.reporting.numbers import decimal, p_value
from ferbench.reporting.study_files import StudyFiles

__all__ = ["ALL", "cliques", "rank_block"]

# Stands for every data set and protocol of a study in its tables.
ALL = "all"


def rank_block(files: StudyFiles, place: tuple[str, str], name: str) -> Block | None:
    """Tests over all variants; None if the study has none.

    Args:
        files: of the study.
        place: data set and protocol, or `ALL` twice for all data sets together.
        name: that ends the names of files.
    """
    tests, ranks = (_at(files.tables.get(table), place) for table in ("omnibus", "ranks"))
    if tests.empty:
        return None
    words, charts, alpha = [], [], files.params.compare.alpha
    for row in tests[tests["metric"] == files.params.compare.metrics[0]].to_dict("records"):
        named = {str(column): value for column, value in row.items()}
        ours = ranks[(ranks["metric"] == row["metric"]) & (ranks["test"] == row["test"])]
        words.append(_words(named, alpha))
        if not _why_not(named):
            charts.append(_chart(name, named, _by_rank(ours)))
    blocks = "a seed on each data set" if place[0] == ALL else "a seed"
    return Block(
        title="All variants at once",
        words=tuple(words),
        charts=tuple(charts),
        tables=(_table(name, tests, alpha),),
        note=f"A block is {blocks}. Seeds on one test set are not independent data sets: ranks say "
        "how surely the order would come again with other seeds, and nothing of other data."
        + (" A bar joins variants nearer than the critical difference." if charts else ""),
    )


def _at(table: pd.DataFrame | None, place: tuple[str, str]) -> pd.DataFrame:
    if table is None or table.empty:
        return pd.DataFrame()
    return table[(table["dataset"] == place[0]) & (table["protocol"] == place[1])]


def _why_not(row: Mapping[str, object]) -> str:
    """Why mean ranks say nothing; empty if they do."""
    if int(str(row["variants"])) < 2:
        return "there are fewer than two variants"
    if int(str(row["blocks"])) < 2:
        return "there are fewer than two blocks to rank them in"
    difference = float(str(row["critical_difference"]))
    return "it gives no critical difference" if isnan(difference) else ""


def _words(row: Mapping[str, object], alpha: float) -> str:
    test, metric = str(row["test"]).replace("_", " "), row["metric"]
    p = float(str(row["p_value"]))
    head = f"{test[0].upper()}{test[1:]}, {metric}"
    reason = _why_not(row)
    if isnan(p):
        return f"{head}: no test was possible, and a diagram of ranks would mean nothing: {reason}."
    found = "differ" if p <= alpha else "cannot be told apart"
    return (
        f"{head}: the {row['variants']} variants {found} as a whole over {row['blocks']} blocks "
        f"(p {'' if p < 0.001 else '= '}{p_value(p)})."
    )


def _by_rank(table: pd.DataFrame) -> dict[str, float]:
    ordered = table.sort_values("mean_rank", kind="stable")
    return dict(
        zip(ordered["variant"].astype(str), ordered["mean_rank"].astype(float), strict=True)
    )


def _table(key: str, tests: pd.DataFrame, alpha: float) -> Table:
    rows = [
        {
            "test": word(str(row["test"])),
            "metric": word(str(row["metric"])),
            "variants": number(row["variants"]),
            "blocks": number(row["blocks"]),
            "statistic": Value(decimal(row["statistic"], 2), row["statistic"]),
            "p": Value(p_value(row["p_value"]), row["p_value"]),
            "critical difference of ranks": Value(
                decimal(row["critical_difference"], 2), row["critical_difference"]
            ),
            "significant": word("yes" if row["p_value"] <= alpha else "no"),
        }
        for row in tests.to_dict("records")
    ]
    return Table(f"omnibus_{key}", tuple(rows))


def cliques(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """First and last of every longest run of rising ranks that are nearer than `critical`.

    >>> cliques([1.0, 1.5, 2.4, 4.0], 1.0)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first, low in enumerate(ranks):
        last = max(i for i, rank in enumerate(ranks) if rank - low < critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _chart(key: str, row: Mapping[str, object], ranks: Mapping[str, float]) -> Chart:
    title = f"mean ranks of {row['metric']} by {str(row['test']).replace('_', ' ')}, best left"
    joined = cliques(list(ranks.values()), float(str(row["critical_difference"])))
    half = (len(ranks) + 1) // 2
    size = (6.2, 0.95 + 0.26 * half + 0.14 * len(joined))
    draw = partial(_diagram, ranks=ranks, critical=float(str(row["critical_difference"])))
    return draw_chart(f"ranks_{key}_{row['test']}", title, size, draw)


def _diagram(figure: Figure, ranks: Mapping[str, float], critical: float) -> None:
    """Names left and right below an axis of ranks; bars between them and the axis."""
    axes = figure.subplots()
    bare(axes)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    count, values = max(len(ranks), 2), list(ranks.values())
    axes.set_xlim(1 - 0.35 * (count - 1), count + 0.35 * (count - 1))
    axes.set_xticks(range(1, count + 1))
    axes.plot([1, count], [0, 0], color=MUTED, lw=1)
    joined = cliques(values, critical)
    for level, (first, last) in enumerate(joined, 1):
        ends = (values[first] - 0.012 * count, values[last] + 0.012 * count)
        axes.plot(ends, [0.55 * level] * 2, color=WARM, lw=4, solid_capstyle="butt")
    below, half = 0.55 * len(joined) + 0.8, (len(ranks) + 1) // 2
    for place, (variant, rank) in enumerate(ranks.items()):
        left = place < half
        _name(axes, variant, rank, below + min(place, len(ranks) - 1 - place), left=left)
    axes.plot([1, min(1 + critical, axes.get_xlim()[1])], [-0.9, -0.9], color=INK, lw=2)
    axes.text(1, -1.15, f"critical difference {critical:.2f}", fontsize=8, color=MUTED)
    axes.set_ylim(below + half - 0.4, -1.7)


def _name(axes: Axes, variant: str, rank: float, y: float, *, left: bool) -> None:
    """A variant beside the diagram, with a line to its rank."""
    edge = axes.get_xlim()[0 if left else 1]
    axes.plot([rank, rank, edge], [0, y, y], color=MUTED, lw=1)
    text = f"{variant}  {rank:.2f}" if left else f"{rank:.2f}  {variant}"
    side = "left" if left else "right"
    axes.text(edge, y - 0.12, text, ha=side, va="bottom", fontsize=8.5)
