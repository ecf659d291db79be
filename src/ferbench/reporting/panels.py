"""Small charts of one variant each, set side by side in the report."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ferbench.reporting.drawing import ACCENT, CELL, GRID, INK, MUTED, WARM, Chart, bare
from ferbench.reporting.drawing import draw_chart as chart

__all__ = ["confusion_chart", "curve_chart", "shares"]


def shares(counts: pd.DataFrame) -> pd.DataFrame:
    """Share of each class's faces that were given each label, mean over seeds.

    Args:
        counts: rows of `confusion.csv` of one variant, data set and subset.

    Returns:
        A row a target, a column a predicted word, both in the order of `counts`.
    """
    total = counts.groupby(["seed", "target"])["count"].transform("sum")
    share = counts.assign(share=np.where(total > 0, counts["count"] / total.clip(lower=1), np.nan))
    words = counts["predicted"].unique()
    table = share.pivot_table(index="target", columns="predicted", values="share", sort=False)
    table = table.reindex(index=counts["target"].unique(), columns=words)
    missed = words[-1]
    return table if table[missed].fillna(0).any() else table.drop(columns=missed)


def confusion_chart(name: str, title: str, table: pd.DataFrame) -> Chart:
    """A row-normalised confusion matrix, in per cent.

    Args:
        name: of the file.
        title: what it shows.
        table: shares, a row a target, a column a predicted word.
    """
    rows, columns = table.shape
    size = (1.05 + 0.40 * columns, 0.85 + 0.36 * rows)
    return chart(name, title, size, partial(_confusion, table=table))


def _confusion(figure: Figure, table: pd.DataFrame) -> None:
    axes = figure.subplots()
    bare(axes)
    for (y, x), share in np.ndenumerate(table.to_numpy()):
        if np.isnan(share):
            continue
        corner = (x - 0.47, y - 0.47)
        axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=GRID, alpha=0.45, lw=0))
        axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=CELL, alpha=share, lw=0))
        if share >= 0.005:
            axes.text(x, y, f"{100 * share:.0f}", ha="center", va="center", color=INK, size=8)
    names = [word.replace("_", " ") for word in table.columns]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(table)), [word.replace("_", " ") for word in table.index])
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("said")
    axes.set_ylabel("true")


def curve_chart(name: str, title: str, history: pd.DataFrame, score: str) -> Chart:
    """Validation score and losses over epochs; a thin line a seed, a thick one their mean.

    Args:
        name: of the file.
        title: what it shows.
        history: seed, epoch, train_loss, val_loss, val_score.
        score: which metric `val_score` is.
    """
    return chart(name, title, (3.6, 3.3), partial(_curves, history=history, score=score))


def _curves(figure: Figure, history: pd.DataFrame, score: str) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True)
    _lines(top, history, "val_score", ACCENT)
    top.set_ylim(0, 1)
    top.set_title(f"{score} on validation", loc="left", fontsize=8.5, color=MUTED)
    _lines(bottom, history, "val_loss", ACCENT)
    _lines(bottom, history, "train_loss", WARM)
    bottom.set_title("loss: validation", loc="left", fontsize=8.5, color=ACCENT)
    bottom.set_title("training", loc="right", fontsize=8.5, color=WARM)
    bottom.set_xlabel("epoch")
    bottom.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for axes in (top, bottom):
        bare(axes, "y")
        axes.margins(x=0.02)
        axes.tick_params(labelsize=8)


def _lines(axes: Axes, history: pd.DataFrame, column: str, colour: str) -> None:
    for _, part in history.groupby("seed"):
        axes.plot(part["epoch"], part[column], color=colour, lw=0.8, alpha=0.45)
    mean = history.groupby("epoch")[column].mean()
    marker = "o" if len(mean) == 1 else None  # a line of one point is invisible
    axes.plot(mean.index, mean.to_numpy(), color=colour, lw=1.8, marker=marker, ms=4)
