"""Whether the variants' confidence equals their accuracy.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
figure 1 and equation 5.
"""

from __future__ import annotations

import pandas as pd

from ferbench.reporting.blocks import Block
from ferbench.reporting.charts import reliability_chart
from ferbench.reporting.numbers import percent
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]


def build(study: StudyFiles) -> Block | None:
    """A card a data set row with a reliability diagram a variant; None if nothing was binned."""
    cards = [card for key in study.keys if (card := _card(study, key)).panels]
    words = (
        "Accuracy over confidence, all seeds together; on the dashed line the two agree. ECE is "
        "the mean distance from it over faces, mean over seeds. Below: the share of faces.",
    )
    return Block("Calibration", words=words, parts=cards) if cards else None


def _card(study: StudyFiles, key: str) -> Block:
    (name, protocol), bins, panels = study.place(key), study.table("reliability", key), []
    for mean in study.ranked(key):
        own = bins[bins["variant"] == mean.variant] if len(bins) else bins
        if len(own):
            title = f"{mean.variant}, ECE {percent(calibration_error(own))} %"
            panels.append(reliability_chart(f"reliability_{key}_{mean.variant}", title, own))
    return Block(
        title=name,
        tags=(protocol,),
        panels=panels,
        note=f"{study.source(key)}.",
        links=(("reliability.csv", "Bins: reliability.csv"),),
    )


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
