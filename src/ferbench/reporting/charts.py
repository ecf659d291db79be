"""All charts of the report, in one style, as SVG that has the same bytes every time.

Each function below draws plain data on a matplotlib figure and becomes, by `_chart`, a function
`(name, title, *data) -> Chart`. A chart is a file on a white ground, and part of a page, where its
colours become those of the page and so follow light and dark mode. Blue and orange are distinct
under every form of colour blindness.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from ferbench.reporting.numbers import count, percent, points

__all__ = [
    "Chart",
    "Estimate",
    "Point",
    "claim_chart",
    "class_chart",
    "cliques",
    "condition_chart",
    "confusion_chart",
    "curve_chart",
    "difference_chart",
    "forest_chart",
    "front",
    "leaderboard_chart",
    "pareto_chart",
    "pooled",
    "protocol_chart",
    "rank_chart",
    "reliability_chart",
    "shares",
]

_INK, _MUTED, _GRID, _SURFACE = "#1c2430", "#5d6878", "#dfe4ea", "#ffffff"
_ACCENT, _WARM = "#0b62a8", "#a84607"
_MATRIX = "#5a9bd0"  # behind text: legible under _INK at every strength
_VARIABLES = {
    _INK: "ink",
    _MUTED: "muted",
    _GRID: "grid",
    _SURFACE: "surface",
    _ACCENT: "accent",
    _WARM: "warm",
    _MATRIX: "matrix",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _GRID,
    "axes.axisbelow": True,
    "axes.labelsize": 8.5,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": _SURFACE,
    "axes.facecolor": "none",
}
_WIDTH, _ROW = 6.2, 0.36  # inches
_DASHED = (0, (4, 3))
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.3g}")

_Data = ParamSpec("_Data")


@dataclass(frozen=True)
class Chart:
    """A finished chart.

    Args:
        name: of its file, without `.svg`.
        title: what it shows, in one sentence; also its alternative text.
        svg: the file's text.
    """

    name: str
    title: str
    svg: str

    @property
    def inline(self) -> Markup:
        """The chart as part of an HTML page: with ids of its own and the page's colours."""
        body = re.sub(r"^.*?<svg ", "<svg ", self.svg, count=1, flags=re.DOTALL)
        body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
        width = float(re.search(r'width="([\d.]+)pt"', body).group(1))  # type: ignore[union-attr]
        body = re.sub(r'(width|height)="[\d.]+pt" ', "", body, count=2)
        body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{self.name}-", body)
        body = re.sub(r"font-family: [^;\"]+;?", "", body)
        for colour, variable in _VARIABLES.items():
            body = body.replace(colour, f"var(--{variable})")
        label = (
            f'role="img" aria-label="{escape(self.title)}" style="--width:{width * 4 / 3:.0f}px"'
        )
        return Markup(body.replace("<svg ", f"<svg {label} ", 1))


class Estimate(NamedTuple):
    """A value with its interval, such as a score or a difference of scores.

    Args:
        name: of the row in the chart.
        value: mean or difference, a fraction.
        low: lower bound of the 95 % interval; NaN if there is none.
        high: upper bound.
        seeds: value of every seed.
        filled: whether it is significant or comparable, by the chart's own legend.
    """

    name: str
    value: float
    low: float
    high: float
    seeds: tuple[float, ...] = ()
    filled: bool = True


class Point(NamedTuple):
    """A variant with its cost and its score."""

    variant: str
    cost: float
    score: float


def _chart(
    draw: Callable[Concatenate[Figure, _Data], None],
) -> Callable[Concatenate[str, str, _Data], Chart]:
    @wraps(draw)
    def make(name: str, title: str, *args: _Data.args, **kwargs: _Data.kwargs) -> Chart:
        with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
            figure = Figure(layout="constrained")
            draw(figure, *args, **kwargs)
            text = io.StringIO()
            # `savefig` would lay the figure out a first time, without drawing it.
            metadata = {"Date": None, "Title": title}
            FigureCanvasSVG(figure).print_svg(text, metadata=metadata)  # type: ignore[no-untyped-call]
        lines = (line.rstrip() for line in text.getvalue().splitlines())
        return Chart(name, title, "\n".join(lines) + "\n")

    return make  # type: ignore[return-value]  # mypy: wraps hides that names are positional


def _axes(figure: Figure, size: tuple[float, float], grid: str = "") -> Axes:
    figure.set_size_inches(size)
    axes = figure.subplots()
    _clear(axes, grid)
    return axes


def _clear(axes: Axes, grid: str = "") -> None:
    """No frame, and grid lines along `x`, `y` or `both` only."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    if grid:
        axes.grid(axis=grid)  # type: ignore[arg-type]


def _row_names(axes: Axes, names: Iterable[str]) -> None:
    names = list(names)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=_INK, pad=6)


def _words(names: Iterable[Any]) -> list[str]:
    return [str(name).replace("_", " ") for name in names]


def _whisker(axes: Axes, y: float, row: Estimate, limits: tuple[float, float]) -> None:
    """An interval; an arrow head marks an end outside the axes."""
    if np.isnan([row.low, row.high]).any():
        return
    low, high = np.clip([row.low, row.high], *limits)
    axes.plot([low, high], [y, y], color=_ACCENT, lw=2.2, alpha=0.55, solid_capstyle="round")
    for value, bound, marker in ((low, row.low, "<"), (high, row.high, ">")):
        if value != bound:
            axes.plot(value, y, marker, ms=5, color=_ACCENT, mew=0, clip_on=False)


def _value_column(axes: Axes, y: float, text: str) -> None:
    """A value to the right of the axes."""
    axes.annotate(
        text,
        (1.02, y),
        xycoords=("axes fraction", "data"),
        va="center",
        ha="left",
        fontweight="bold",
        annotation_clip=False,
    )


def _label(axes: Axes, at: tuple[float, float], text: str, *, strong: bool, up: float = 0) -> None:
    """A name to the right of a point."""
    axes.annotate(
        text,
        at,
        xytext=(9, up),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=_INK if strong else _MUTED,
    )


@_chart
def leaderboard_chart(
    figure: Figure, rows: Sequence[Estimate], baselines: Mapping[str, float]
) -> None:
    """Mean, interval and seeds of every variant, best first; lines are the naive baselines."""
    axes = _axes(figure, (_WIDTH, 1.1 + _ROW * len(rows)), "x")
    seen = np.array([v for row in rows for v in row.seeds] + list(baselines.values()))
    span = max(float(np.ptp(seen)), 0.1)
    left, right = max(0.0, float(seen.min()) - 0.2 * span), min(1.0, float(seen.max()) + 0.2 * span)
    axes.set_xlim(left, right)
    for y, row in enumerate(rows):
        _whisker(axes, y, row, (left, right))
        axes.plot(row.seeds, [y] * len(row.seeds), "o", ms=4, mfc=_SURFACE, mec=_MUTED, mew=0.9)
        axes.plot(row.value, y, "o", ms=8, color=_ACCENT, mec=_SURFACE, mew=1.2)
        _value_column(axes, y, percent(row.value))
    for line, (name, value) in enumerate(sorted(baselines.items(), key=lambda item: -item[1])):
        on_the_left = value < (left + right) / 2
        axes.axvline(value, color=_WARM, lw=1.2, ls=_DASHED)
        axes.annotate(
            f"{name} {percent(value)}",
            (value, -0.7 - 0.45 * line),
            color=_WARM,
            fontsize=8,
            ha="left" if on_the_left else "right",
            xytext=(4 if on_the_left else -4, 0),
            textcoords="offset points",
            bbox={"facecolor": _SURFACE, "edgecolor": "none", "pad": 1},
            annotation_clip=False,
        )
    _row_names(axes, (row.name for row in rows))
    axes.set_ylim(len(rows) - 0.4, -0.75 - 0.45 * len(baselines))
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel("per cent; dot: mean, line: 95 % interval, rings: seeds")


@_chart
def difference_chart(figure: Figure, rows: Sequence[Estimate]) -> None:
    """Difference of every variant from its control; filled where it is significant."""
    axes = _axes(figure, (_WIDTH, 0.8 + _ROW * len(rows)), "x")
    reach = 1.6 * max(0.02, *(abs(row.value) for row in rows))
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=_MUTED, lw=1)
    for y, row in enumerate(rows):
        _whisker(axes, y, row, (-reach, reach))
        face = _ACCENT if row.filled else _SURFACE
        axes.plot(row.value, y, "o", ms=8, mfc=face, mec=_ACCENT, mew=1.6)
        _value_column(axes, y, points(row.value))
    _row_names(axes, (row.name for row in rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: points(value)[:-2]))
    axes.set_xlabel("percentage points from the control; filled: significant after correction")


@_chart
def forest_chart(figure: Figure, rows: Sequence[Estimate], printed: Sequence[float]) -> None:
    """Our values with intervals and the printed value of each, filled if it is comparable."""
    axes = _axes(figure, (_WIDTH, 1.0 + 0.34 * len(rows)), "x")
    values = [*printed, *(row.value for row in rows)]
    span = max(max(values) - min(values), 0.1)
    left, right = min(values) - 0.25 * span, min(max(values) + 0.25 * span, 1.02)
    axes.set_xlim(left, right)
    for y, (row, value) in enumerate(zip(rows, printed, strict=True)):
        if not np.isnan(row.low):
            low, high = max(row.low, left), min(row.high, right)
            axes.plot([low, high], [y, y], color=_ACCENT, lw=2.2, alpha=0.5)
        axes.plot(row.value, y, "o", ms=8, color=_ACCENT, mec=_SURFACE, mew=1.2)
        axes.plot(value, y, "D", ms=6.5, mfc=_WARM if row.filled else _SURFACE, mec=_WARM, mew=1.4)
    _row_names(axes, (row.name for row in rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(_PERCENT)
    figure.supxlabel(
        "per cent; dot and line: ours, 95 % interval; diamond: printed, hollow if not comparable",
        fontsize=8.5,
        color=_MUTED,
    )


@_chart
def claim_chart(
    figure: Figure,
    rows: Sequence[Estimate],
    printed: Sequence[float],
    verdicts: Sequence[str],
) -> None:
    """Our differences with intervals, what was printed, and the verdict in words.

    Args:
        figure: to draw on.
        rows: ours; filled where a verdict was reached.
        printed: of each row; NaN where nothing was printed of it.
        verdicts: of each row.
    """
    axes = _axes(figure, (_WIDTH, 1.0 + 0.36 * len(rows)), "x")
    known = [value for value in printed if not np.isnan(value)]
    ends = [end for row in rows for end in (row.value, row.low, row.high) if not np.isnan(end)]
    reach = min(1.15 * max(0.02, *map(abs, (*known, *ends))), 1.0)
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=_MUTED, lw=1)
    for y, (row, value, verdict) in enumerate(zip(rows, printed, verdicts, strict=True)):
        if not np.isnan(row.low):
            low, high = max(row.low, -reach), min(row.high, reach)
            axes.plot([low, high], [y, y], color=_ACCENT, lw=2.2, alpha=0.5)
        face = _ACCENT if row.filled else _SURFACE
        axes.plot(row.value, y, "o", ms=8, mfc=face, mec=_ACCENT, mew=1.6)
        if not np.isnan(value):
            axes.plot(value, y, "D", ms=6, mfc=_WARM, mec=_SURFACE, mew=0.8)
        _value_column(axes, y, verdict)
    _row_names(axes, (row.name for row in rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: points(value)[:-2]))
    figure.supxlabel(
        "percentage points; dot and line: ours, 95 % interval, hollow: undecided; diamond: printed",
        fontsize=8.5,
        color=_MUTED,
    )


@_chart
def protocol_chart(
    figure: Figure,
    scores: Mapping[str, Mapping[str, float]],
    protocols: Sequence[str],
    baselines: Sequence[str],
) -> None:
    """Scores of the same models under several protocols, joined by a line a model.

    Args:
        figure: to draw on.
        scores: by row, then protocol.
        protocols: their order; the first is filled.
        baselines: which rows are naive baselines.
    """
    axes = _axes(figure, (_WIDTH, 1.0 + _ROW * len(scores)), "x")
    for y, (row, values) in enumerate(scores.items()):
        colour = _WARM if row in baselines else _ACCENT
        axes.plot(list(values.values()), [y] * len(values), color=colour, lw=2, alpha=0.4)
        for protocol in protocols:
            face = colour if protocol == protocols[0] else _SURFACE
            axes.plot(values[protocol], y, "o", ms=8, mfc=face, mec=colour, mew=1.6)
    _row_names(axes, scores)
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.margins(x=0.06)
    axes.xaxis.set_major_formatter(_PERCENT)
    others = " or ".join(protocols[1:])
    axes.set_xlabel(f"per cent; filled: {protocols[0]}, ring: {others}", color=_MUTED)


@_chart
def class_chart(figure: Figure, emotions: Mapping[str, int]) -> None:
    """Number of images by class."""
    axes = _axes(figure, (_WIDTH * 0.72, 0.3 + 0.27 * len(emotions)))
    for y, number in enumerate(emotions.values()):
        axes.barh(y, number, height=0.72, color=_ACCENT, alpha=0.85)
        axes.annotate(
            count(number), (number, y), xytext=(4, 0), textcoords="offset points", va="center"
        )
    _row_names(axes, _words(emotions))
    axes.set_xticks([])
    axes.set_xlim(0, 1.15 * max(emotions.values()))
    axes.set_ylim(len(emotions) - 0.4, -0.6)


@_chart
def confusion_chart(figure: Figure, table: pd.DataFrame) -> None:
    """A confusion matrix in per cent, of shares with shape (true classes, predicted classes)."""
    rows, columns = table.shape
    axes = _axes(figure, (1.05 + 0.40 * columns, 0.85 + 0.36 * rows))
    for (y, x), share in np.ndenumerate(table.to_numpy()):
        if np.isnan(share):
            continue
        for colour, alpha in ((_GRID, 0.45), (_MATRIX, share)):
            corner = (x - 0.47, y - 0.47)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=colour, alpha=alpha, lw=0))
        if share >= 0.005:
            axes.text(x, y, f"{100 * share:.0f}", ha="center", va="center", color=_INK, size=8)
    names = _words(table.columns)
    axes.set_xticks(range(columns), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(rows), _words(table.index))
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")


def shares(counts: pd.DataFrame) -> pd.DataFrame:
    """Share of each class's faces that were predicted as each label, mean over seeds.

    Args:
        counts: rows of `confusion.csv` of one variant, data set and subset.

    Returns:
        (true classes, predicted labels), both in the order of `counts`; the last label, of missed
        faces, only if there are any.
    """
    total = counts.groupby(["seed", "target"])["count"].transform("sum")
    share = counts.assign(share=np.where(total > 0, counts["count"] / total.clip(lower=1), np.nan))
    labels = counts["predicted"].unique()
    table = share.pivot_table(index="target", columns="predicted", values="share", sort=False)
    table = table.reindex(index=counts["target"].unique(), columns=labels)
    missed = labels[-1]
    return table if table[missed].fillna(0).any() else table.drop(columns=missed)


@_chart
def curve_chart(figure: Figure, history: pd.DataFrame, score: str) -> None:
    """Validation score and losses over epochs; a thin line a seed, a thick one their mean.

    Args:
        figure: to draw on.
        history: seed, epoch, train_loss, val_loss, val_score.
        score: which metric `val_score` is.
    """
    figure.set_size_inches(3.6, 3.3)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, column, colour in (
        (top, "val_score", _ACCENT),
        (bottom, "val_loss", _ACCENT),
        (bottom, "train_loss", _WARM),
    ):
        for _, part in history.groupby("seed"):
            axes.plot(part["epoch"], part[column], color=colour, lw=0.8, alpha=0.45)
        mean = history.groupby("epoch")[column].mean()
        marker = "o" if len(mean) == 1 else None  # a line of one point is invisible
        axes.plot(mean.index, mean.to_numpy(), color=colour, lw=1.8, marker=marker, ms=4)
    top.set_ylim(0, 1)
    top.set_title(f"{score} on validation", loc="left", fontsize=8.5, color=_MUTED)
    bottom.set_title("loss: validation", loc="left", fontsize=8.5, color=_ACCENT)
    bottom.set_title("training", loc="right", fontsize=8.5, color=_WARM)
    bottom.set_xlabel("epoch")
    bottom.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for axes in (top, bottom):
        _clear(axes, "y")
        axes.margins(x=0.02)
        axes.tick_params(labelsize=8)


@_chart
def reliability_chart(figure: Figure, bins: pd.DataFrame) -> None:
    """Accuracy over confidence with the diagonal; below, the share of faces in every bin.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    figure 1.

    Args:
        figure: to draw on.
        bins: seed, bin, low, high, count, confidence, accuracy; seeds are pooled.
    """
    bins = pooled(bins)
    figure.set_size_inches(2.9, 2.9)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    width = bins["high"] - bins["low"]
    top.bar(bins["low"], bins["accuracy"], width, align="edge", color=_ACCENT, alpha=0.35, lw=0)
    top.plot([0, 1], [0, 1], color=_MUTED, lw=1, ls=_DASHED)
    top.plot(bins["confidence"], bins["accuracy"], "o", color=_ACCENT, ms=4)
    top.set_ylim(0, 1.02)
    top.set_ylabel("accuracy, per cent")
    top.yaxis.set_major_locator(MultipleLocator(0.25))
    share = np.asarray(bins["count"] / bins["count"].sum())
    bottom.bar(bins["low"], share, width, align="edge", color=_WARM, alpha=0.7, lw=0)
    bottom.set_yticks([])
    bottom.set_ylabel("faces")
    bottom.set_xlabel("confidence, per cent")
    bottom.set_xlim(0, 1)
    for axes in (top, bottom):
        _clear(axes, "y")
        axes.tick_params(labelsize=8, labelcolor=_INK)
        axes.xaxis.set_major_formatter(_PERCENT)
    top.yaxis.set_major_formatter(_PERCENT)


def pooled(bins: pd.DataFrame) -> pd.DataFrame:
    """The bins of all seeds together: low, high, count and the means over their faces."""
    weights = bins["count"]
    sums = bins.assign(
        confidence=bins["confidence"] * weights, accuracy=bins["accuracy"] * weights
    ).groupby("bin")
    table = sums[["confidence", "accuracy", "count"]].sum()
    table[["confidence", "accuracy"]] = table[["confidence", "accuracy"]].div(
        table["count"], axis=0
    )
    return table.join(sums[["low", "high"]].first()).reset_index()


@_chart
def rank_chart(figure: Figure, ranks: Mapping[str, float], critical: float) -> None:
    """Critical-difference diagram: variants on an axis of mean ranks; a bar joins near ones.

    Source: J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7,
    2006, figure 1. Drawn here and not by scikit-posthocs, which iterates over sets of names, so
    that its SVG differs from process to process.

    Args:
        figure: to draw on.
        ranks: mean rank by variant, rising.
        critical: critical difference of two mean ranks.
    """
    values, half, number = list(ranks.values()), (len(ranks) + 1) // 2, max(len(ranks), 2)
    joined = cliques(values, critical)
    axes = _axes(figure, (_WIDTH, 0.95 + 0.26 * half + 0.14 * len(joined)))
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.set_xlim(1 - 0.35 * (number - 1), number + 0.35 * (number - 1))
    axes.set_xticks(range(1, number + 1))
    axes.plot([1, number], [0, 0], color=_MUTED, lw=1)
    for level, (first, last) in enumerate(joined, 1):
        ends = (values[first] - 0.012 * number, values[last] + 0.012 * number)
        axes.plot(ends, [0.55 * level] * 2, color=_WARM, lw=4, solid_capstyle="butt")
    below = 0.55 * len(joined) + 0.8
    for place, (variant, rank) in enumerate(ranks.items()):
        # The better half has its names on the left, the other on the right.
        left, y = place < half, below + min(place, len(ranks) - 1 - place)
        edge = axes.get_xlim()[0 if left else 1]
        axes.plot([rank, rank, edge], [0, y, y], color=_MUTED, lw=1)
        text = f"{variant}  {rank:.2f}" if left else f"{rank:.2f}  {variant}"
        align = "left" if left else "right"
        axes.text(edge, y - 0.12, text, ha=align, va="bottom", fontsize=8.5)
    axes.plot([1, min(1 + critical, axes.get_xlim()[1])], [-0.9, -0.9], color=_INK, lw=2)
    axes.text(1, -1.15, f"critical difference {critical:.2f}", fontsize=8, color=_MUTED)
    axes.set_ylim(below + half - 0.4, -1.7)


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


@_chart
def pareto_chart(figure: Figure, rows: Sequence[Point], axis: str) -> None:
    """Score over cost, which `axis` names; the Pareto front is filled and joined."""
    height = max(3.2, 0.9 + 0.22 * len(rows))
    axes = _axes(figure, (_WIDTH, height), "both")
    best = front(rows)
    steps = [(p.cost, p.score) for p in best]
    axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", color=_WARM, lw=1.4, alpha=0.8)
    ordered = sorted(rows, key=lambda p: p.score)
    span = max(ordered[-1].score - ordered[0].score, 0.05)
    line = span * 0.2 / (height - 0.8)  # the height of a label, in data units
    last = -1.0
    for point in ordered:
        ahead = point in best
        face, edge = (_WARM, _SURFACE) if ahead else (_SURFACE, _ACCENT)
        axes.plot(point.cost, point.score, "o", ms=8 if ahead else 7, mfc=face, mec=edge, mew=1.4)
        last = max(point.score, last + line)  # labels do not overlap
        # The front runs to the right of its points, so their names are above it.
        _label(axes, (point.cost, last), point.variant, strong=ahead, up=7 if ahead else 0)
    axes.set_ylim(ordered[0].score - 0.1 * span, last + 0.1 * span)
    axes.margins(x=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel(f"{axis}; filled: no cheaper variant is better")
    axes.set_ylabel("per cent")


def front(rows: Sequence[Point]) -> list[Point]:
    """The Pareto front: the points that no other equals or beats in both cost and score.

    >>> [p.variant for p in front([Point("a", 1, 0.5), Point("b", 2, 0.4), Point("c", 3, 0.6)])]
    ['a', 'c']
    """
    kept: list[Point] = []
    for point in sorted(rows, key=lambda p: (p.cost, -p.score)):
        if not kept or point.score > kept[-1].score:
            kept.append(point)
    return kept


@_chart
def condition_chart(
    figure: Figure, lines: Mapping[str, Sequence[float]], conditions: Sequence[str], axis: str
) -> None:
    """Score by condition of a robustness test, a line a variant; `axis` names the conditions."""
    height = max(2.8, 1.2 + 0.24 * len(lines))
    axes = _axes(figure, (_WIDTH, height), "y")
    values = [v for line in lines.values() for v in line if not np.isnan(v)]
    gap = max(max(values) - min(values), 0.05) * 0.24 / (height - 0.9)
    last = -1.0
    ordered = sorted(lines, key=lambda variant: lines[variant][-1])
    for variant in ordered:
        line, best = lines[variant], variant == ordered[-1]
        last = max(line[-1], last + gap)  # labels do not overlap
        style: dict[str, Any] = (
            {"color": _WARM, "lw": 2.2} if best else {"color": _ACCENT, "lw": 1.4}
        )
        axes.plot(
            range(len(line)), line, "o-", ms=5, mec=_SURFACE, alpha=1 if best else 0.7, **style
        )
        _label(axes, (len(line) - 1, last), f"{variant} {percent(line[-1])}", strong=best)
    low, high = min(values), max(*values, last)
    slack = max(0.1 - (high - low), 0) / 2 + 0.02  # the axis spans ten points at least
    axes.set_ylim(max(low - slack, min(low, 0) - 0.02), high + slack)
    axes.set_xlim(-0.2, len(conditions) - 1 + 0.45 * len(conditions))
    axes.set_xticks(range(len(conditions)), list(conditions))
    axes.yaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel(axis)
    axes.set_ylabel("per cent")
