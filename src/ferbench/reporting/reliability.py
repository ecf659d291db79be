"""Whether the variants are right as often as they say, as a small diagram each.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
figure 1 and equation 5.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from ferbench.reporting.drawing import ACCENT, INK, MUTED, WARM, Chart, bare, draw_chart
from ferbench.reporting.figures import PER_CENT
from ferbench.reporting.numbers import percent
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["calibration_error", "pooled", "reliability_chart", "reliability_charts"]


def reliability_charts(files: StudyFiles, key: str, ranked: list[Mean]) -> tuple[Chart, ...]:
    """A diagram a variant, the best variant first; none if nothing was binned."""
    bins = files.table("reliability", key)
    charts = []
    for mean in ranked:
        own = bins[bins["variant"] == mean.variant] if len(bins) else bins
        if len(own):
            error = percent(calibration_error(own))
            title = f"{mean.variant}, ECE {error} %"
            name = f"reliability_{key}_{mean.variant}"
            charts.append(reliability_chart(name, title, own))
    return tuple(charts)


def reliability_chart(name: str, title: str, bins: pd.DataFrame) -> Chart:
    """The reliability diagram of one variant or run.

    Args:
        name: of the file.
        title: what it shows.
        bins: rows of `reliability.csv`; seeds are pooled.
    """
    return draw_chart(name, title, (2.9, 2.9), partial(_diagram, bins=pooled(bins)))


def calibration_error(bins: pd.DataFrame) -> float:
    """Expected calibration error, mean over seeds: sum of count / N * |accuracy - confidence|.

    Args:
        bins: rows of `reliability.csv` of one variant and data set.

    >>> bins = {"seed": [0, 0], "count": [1, 3], "confidence": [0.4, 0.9], "accuracy": [1.0, 0.9]}
    >>> round(calibration_error(pd.DataFrame(bins)), 4)
    0.15
    """
    gap = (bins["accuracy"] - bins["confidence"]).abs() * bins["count"]
    return float((gap.groupby(bins["seed"]).sum() / bins.groupby("seed")["count"].sum()).mean())


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


def _diagram(figure: Figure, bins: pd.DataFrame) -> None:
    """Bars of accuracy with the diagonal; below them, the share of faces in every bin."""
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    width = bins["high"] - bins["low"]
    top.bar(bins["low"], bins["accuracy"], width, align="edge", color=ACCENT, alpha=0.35, lw=0)
    top.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
    top.plot(bins["confidence"], bins["accuracy"], "o", color=ACCENT, ms=4)
    top.set_ylim(0, 1.02)
    top.set_ylabel("right, per cent")
    top.yaxis.set_major_locator(MultipleLocator(0.25))
    share = np.asarray(bins["count"] / bins["count"].sum())
    bottom.bar(bins["low"], share, width, align="edge", color=WARM, alpha=0.7, lw=0)
    bottom.set_yticks([])
    bottom.set_ylabel("faces")
    bottom.set_xlabel("said, per cent")
    bottom.set_xlim(0, 1)
    for axes in (top, bottom):
        bare(axes, "y")
        axes.tick_params(labelsize=8, labelcolor=INK)
        axes.xaxis.set_major_formatter(PER_CENT)
    top.yaxis.set_major_formatter(PER_CENT)
