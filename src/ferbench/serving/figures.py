"""Figures of one run for the MLflow UI: confusion, reliability, values and curves of each class."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay

__all__ = ["class_figure", "confusion_figure", "precision_recall_figure", "reliability_figure"]

_SHOWN = ("precision", "recall", "f1")


def confusion_figure(predictions: pd.DataFrame) -> Figure:
    """Shares of each true class by predicted class; `none` where a detector found nothing.

    Args:
        predictions: rows of `predictions.parquet`.
    """
    prob = predictions.drop(columns=["image_id", "target"])
    said = prob.idxmax(axis=1).where(prob.sum(axis=1) > 0, "none")
    labels = [*prob.columns, *(["none"] if (said == "none").any() else [])]
    figure, axes = plt.subplots(figsize=(6, 5.4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        predictions["target"],
        said,
        labels=labels,
        normalize="true",
        values_format=".2f",
        xticks_rotation=45,
        cmap="Blues",
        colorbar=False,
        ax=axes,
    )
    axes.set_title(f"Test, {len(predictions)} faces, share of each true class")
    return figure


def precision_recall_figure(predictions: pd.DataFrame) -> Figure:
    """Precision over recall of each class against the rest, by the probability it was given.

    A class without a face on test has no curve. A missed face has the probability 0.

    Args:
        predictions: rows of `predictions.parquet`.
    """
    figure, axes = plt.subplots(figsize=(6, 5.4), layout="constrained")
    for emotion in predictions.columns.drop(["image_id", "target"]):
        own = predictions["target"] == emotion
        if own.any():
            PrecisionRecallDisplay.from_predictions(
                own, predictions[emotion], name=emotion, drop_intermediate=True, ax=axes
            )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title(f"Test, {len(predictions)} faces, each class against the rest")
    axes.legend(loc="lower left", frameon=False)
    return figure


def reliability_figure(bins: pd.DataFrame) -> Figure:
    """How often an answer is right over how sure it is; points on the diagonal are honest.

    Args:
        bins: rows of `reliability.csv` of one cell.
    """
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    share = bins["count"] / bins["count"].sum()
    axes.bar(bins["low"], share, bins["high"] - bins["low"], align="edge", color="0.88")
    axes.plot(bins["confidence"], bins["accuracy"], "o-", color="#0b62a8")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right")
    axes.set_title(f"Test, {int(bins['count'].sum())} faces; bars: share of the faces")
    return figure


def class_figure(classes: pd.DataFrame) -> Figure:
    """Precision, recall and F1 of every class.

    Args:
        classes: rows of `classes.csv` of one cell and subset.
    """
    table = classes[classes["metric"].isin(_SHOWN)]
    order = table["emotion"].unique()
    wide = table.pivot_table(index="emotion", columns="metric", values="value", dropna=False)
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    wide.reindex(index=order, columns=list(_SHOWN)).plot.bar(ax=axes, rot=30, width=0.8)
    axes.set(ylim=(0, 1), xlabel="", title="Test, by class")
    axes.legend(title="", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    return figure
