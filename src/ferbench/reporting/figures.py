"""Charts that compare variants, and the classes of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ferbench.reporting.drawing import ACCENT, INK, MUTED, SURFACE, WARM, Chart, bare
from ferbench.reporting.drawing import draw_chart as chart
from ferbench.reporting.numbers import count, percent, points
from ferbench.reporting.summary import Comparison, Mean

__all__ = ["PER_CENT", "class_chart", "difference_chart", "leaderboard_chart"]

_WIDTH = 6.2
_ROW = 0.36
PER_CENT = FuncFormatter(lambda value, _: f"{100 * value:.3g}")


def leaderboard_chart(
    name: str, title: str, rows: Sequence[Mean], floors: Mapping[str, float]
) -> Chart:
    """Mean, interval and single seeds of every variant, best on top, beside the floors.

    Args:
        name: of the file.
        title: what it shows.
        rows: best first.
        floors: word and value.
    """
    size = (_WIDTH, 1.1 + _ROW * len(rows))
    return chart(name, title, size, partial(_leaderboard, rows=rows, floors=floors))


def _leaderboard(figure: Figure, rows: Sequence[Mean], floors: Mapping[str, float]) -> None:
    axes = figure.subplots()
    bare(axes, "x")
    seen = np.array([v for row in rows for v in row.values] + list(floors.values()))
    span = max(float(np.ptp(seen)), 0.1)
    left, right = max(0.0, float(seen.min()) - 0.2 * span), min(1.0, float(seen.max()) + 0.2 * span)
    axes.set_xlim(left, right)
    for y, row in enumerate(rows):
        _whisker(axes, y, (row.low, row.high), (left, right))
        axes.plot(row.values, [y] * len(row.values), "o", ms=4, mfc=SURFACE, mec=MUTED, mew=0.9)
        axes.plot(row.mean, y, "o", ms=8, color=ACCENT, mec=SURFACE, mew=1.2)
        _beside(axes, y, percent(row.mean))
    for line, (word, value) in enumerate(sorted(floors.items(), key=lambda item: -item[1])):
        axes.axvline(value, color=WARM, lw=1.2, ls=(0, (4, 3)))
        axes.annotate(
            f"{word} {percent(value)}",
            (value, -0.7 - 0.45 * line),
            color=WARM,
            fontsize=8,
            ha="left" if value < (left + right) / 2 else "right",
            xytext=(4 if value < (left + right) / 2 else -4, 0),
            textcoords="offset points",
            bbox={"facecolor": SURFACE, "edgecolor": "none", "pad": 1},
            annotation_clip=False,
        )
    _names_on_the_left(axes, [row.variant for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.75 - 0.45 * len(floors))
    axes.xaxis.set_major_formatter(PER_CENT)
    axes.set_xlabel("per cent; dot: mean, line: 95 % interval, rings: seeds")


def _whisker(
    axes: Axes, y: float, bounds: tuple[float, float], limits: tuple[float, float]
) -> None:
    """An interval; where it leaves the axes, an arrow head says so."""
    if np.isnan(bounds).any():
        return
    low, high = np.clip(bounds, *limits)
    axes.plot([low, high], [y, y], color=ACCENT, lw=2.2, alpha=0.55, solid_capstyle="round")
    for value, bound, marker in ((low, bounds[0], "<"), (high, bounds[1], ">")):
        if value != bound:
            axes.plot(value, y, marker, ms=5, color=ACCENT, mew=0, clip_on=False)


def _beside(axes: Axes, y: float, text: str) -> None:
    """A value in a column to the right of the axes."""
    axes.annotate(
        text,
        (1.02, y),
        xycoords=("axes fraction", "data"),
        va="center",
        ha="left",
        fontweight="bold",
        annotation_clip=False,
    )


def _names_on_the_left(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=INK, pad=6)


def difference_chart(name: str, title: str, rows: Sequence[Comparison], alpha: float) -> Chart:
    """Difference of every variant from the baseline; filled where it is significant.

    Args:
        name: of the file.
        title: what it shows.
        rows: of one test and metric, with the baseline as A.
        alpha: level of significance.
    """
    size = (_WIDTH, 0.8 + _ROW * len(rows))
    return chart(name, title, size, partial(_differences, rows=rows, alpha=alpha))


def _differences(figure: Figure, rows: Sequence[Comparison], alpha: float) -> None:
    axes = figure.subplots()
    bare(axes, "x")
    reach = 1.6 * max(0.02, *(abs(row.estimate) for row in rows))
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=MUTED, lw=1)
    for y, row in enumerate(rows):
        _whisker(axes, y, (row.low, row.high), (-reach, reach))
        face = ACCENT if row.p_corrected <= alpha else SURFACE
        axes.plot(row.estimate, y, "o", ms=8, mfc=face, mec=ACCENT, mew=1.6)
        _beside(axes, y, points(row.estimate))
    _names_on_the_left(axes, [row.variant_b for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: points(value)[:-2]))
    axes.set_xlabel("percentage points from the baseline; filled: significant after correction")


def class_chart(name: str, title: str, emotions: Mapping[str, int]) -> Chart:
    """How many images each class has."""
    size = (_WIDTH * 0.72, 0.3 + 0.27 * len(emotions))
    return chart(name, title, size, partial(_classes, emotions=emotions))


def _classes(figure: Figure, emotions: Mapping[str, int]) -> None:
    axes = figure.subplots()
    bare(axes)
    for y, number in enumerate(emotions.values()):
        axes.barh(y, number, height=0.72, color=ACCENT, alpha=0.85)
        axes.annotate(
            count(number), (number, y), xytext=(4, 0), textcoords="offset points", va="center"
        )
    _names_on_the_left(axes, [word.replace("_", " ") for word in emotions])
    axes.set_xticks([])
    axes.set_xlim(0, 1.15 * max(emotions.values()))
    axes.set_ylim(len(emotions) - 0.4, -0.6)
