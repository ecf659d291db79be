"""Which of a study's numbers stand on a cell's MLflow run, under which names and steps.

MLflow draws a section of charts for every name before the last `/`, in the order of the alphabet,
so names are chosen to be read down the page:

- `test/accuracy`, `val/accuracy`: every metric;
- `test/recall/anger`: of every class, what is printed of classes;
- `test_clean/accuracy`, `test_degraded_medium/accuracy`: of parts of test and of altered test
  images, the metrics that the study compares and what boxes find;
- `test_canvas/accuracy`: the same, a curve, where a probe's conditions are numbers: these are the
  steps; `test_canvas_mean/accuracy` is the mean over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay

from ferbench.artifacts.predictions import classes_of
from ferbench.config.params import Params
from ferbench.config.runs import Run, all_runs
from ferbench.files import read_json
from ferbench.models.weights import load_trained
from ferbench.tracking.registry import logged_model
from ferbench.tracking.runs import MlflowRun, describe_study, open_run_of, run_tags
from ferbench.tracking.selected import best_runs, study_results
from ferbench.tracking.store import one_at_a_time, store_faults

__all__ = [
    "Point",
    "class_figure",
    "confusion_figure",
    "precision_recall_figure",
    "publish_study",
    "reliability_figure",
    "run_points",
]

_WHOLE = ("test", "val")
_OF_CLASSES = ("precision", "recall", "f1", "ap50")
# Beside the compared metrics: of a detector, whether its boxes still find and name the face.
_OF_BOXES = ("map50", "face_detection")


@dataclass(frozen=True)
class Point:
    """One number of a run.

    Args:
        name: of the metric in MLflow.
        value: finite.
        step: condition of a probe, where conditions are numbers; else 0.
    """

    name: str
    value: float
    step: int = 0


def run_points(
    results: pd.DataFrame, classes: pd.DataFrame, compared: Sequence[str]
) -> list[Point]:
    """A cell's numbers, in rising order of their steps.

    What is not defined, such as the recall of a class without a face, is left out.

    Args:
        results: the cell's rows of `results.csv`.
        classes: the cell's rows of `classes.csv`.
        compared: the metrics that the study compares.
    """
    of_class = classes[classes["subset"].isin(_WHOLE[:1]) & classes["metric"].isin(_OF_CLASSES)]
    whole = results["subset"].isin(_WHOLE)
    part = ~whole & results["metric"].isin([*compared, *_OF_BOXES])
    columns = ["subset", "metric", "emotion", "value"]
    points = [
        Point(f"{subset}/{metric}/{emotion}", float(value))
        for subset, metric, emotion, value in of_class[columns].dropna().to_numpy()
    ]
    known = results[(whole | part) & results["value"].notna()]
    points += [_point(row) for row in known.itertuples()]
    return sorted(points, key=lambda point: point.step)


def _point(row: Any) -> Point:
    """A row of `results.csv` as a point."""
    value = float(row.value)
    if not row.robustness:
        return Point(f"{row.subset}/{row.metric}", value)
    if row.condition.isdecimal():
        return Point(f"test_{row.robustness}/{row.metric}", value, int(row.condition))
    return Point(f"test_{row.robustness}_{row.condition}/{row.metric}", value)


# MERGED from ferbench.tracking.publish:
# Figures of one run for the MLflow UI: confusion, reliability, values and curves of each class.


_SHOWN = ("precision", "recall", "f1")


def confusion_figure(predictions: pd.DataFrame) -> Figure:
    """Shares of each true class by predicted class; `none` where a detector found nothing.

    Args:
        predictions: rows of `predictions.parquet`.
    """
    prob = predictions[classes_of(predictions)]
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
    for emotion in classes_of(predictions):
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


# MERGED from ferbench.tracking.publish:
# Stage `track`: every cell's record in MLflow made whole from its files.
#
# Training writes curves as they come. What comes later (metrics, figures, the model) is added here;
# and a cell that DVC restored from another machine, or that was trained while the store was away,
# gets the run that this store has never seen. Doing it twice, or again after it was killed, adds
# nothing that is there.


def publish_study(params: Params) -> dict[str, str]:
    """Complete the runs of all cells of the study; run ids by cell name.

    The model of each variant's best seed, on val, is logged with its signature; the others stay
    files.
    """
    results = study_results(params)
    best = {
        standing.cell
        for dataset in params.datasets
        for standing in best_runs(params, results, dataset).values()
    }
    tables = {name: _table(params, name) for name in ("classes", "reliability")}
    runs = {}
    # Two checkouts that complete one run at once would both add what they both found missing.
    with store_faults(), one_at_a_time("track"):
        for cell in all_runs(params):
            mine = {name: _rows_of(params, table, cell) for name, table in tables.items()}
            numbers = _rows_of(params, results, cell), mine["classes"]
            points = run_points(*numbers, params.compare.metrics)
            record = read_json(cell.folder / "run.json")
            run = _run_of(cell, record)
            run.log_points((point.name, point.step, point.value) for point in points)
            run.log_dataset(record, Path("reports", "data", f"{cell.dataset}.json"))
            _log_files(run, cell)
            _log_figures(run, cell, mine)
            _log_explanations(run, params, cell)
            run.set_tags(run_tags(record) | {"best_seed": cell in best})
            if cell in best:
                logged_model(cell.study, record, load_trained(cell.folder / "model.pt"))
            run.finish()
            runs[cell.name] = run.run_id
        describe_study(params.study.name, _summary(params, results))
    return runs


def _run_of(cell: Run, record: dict[str, Any]) -> MlflowRun:
    """The cell's run, with what the store missed when it was trained, which may be all."""
    run, _ = open_run_of(record, f"{cell.variant}-{cell.dataset}-s{cell.seed}")
    about = read_json(Path("reports", cell.study, "variants", f"{cell.variant}.json"))
    run.log_params({k: about[k] for k in ("row", "recipe")})
    # What training says at its end; records of older versions lack some of it.
    deviations = record.get("deviations")
    if deviations is not None:
        run.log_params({"deviations": "; ".join(deviations) or "none"})
    if "initial_weights" in record:
        run.log_params({"initial_weights": record["initial_weights"]})
    names = {"best_val_score": "val_score", "train_seconds": "train_seconds"}
    run.log_values({name: record[key] for name, key in names.items() if key in record})
    run.set_tags({k: record[k] for k in ("best_epoch", "resumed") if k in record})
    history = pd.read_csv(cell.folder / "history.csv")
    run.log_history([dict(row) for _, row in history.iterrows()])
    return run


def _table(params: Params, name: str) -> pd.DataFrame:
    return pd.read_csv(Path("reports", params.study.name, f"{name}.csv"))


def _rows_of(params: Params, table: pd.DataFrame, cell: Run) -> pd.DataFrame:
    """A cell's rows of a table of the study."""
    row = params.datasets[cell.dataset]
    wanted = {"dataset": row.name, "protocol": row.protocol, "variant": cell.variant}
    mine = table[table["seed"] == cell.seed]
    for column, word in wanted.items():
        mine = mine[mine[column] == word]
    return mine


def _log_files(run: MlflowRun, cell: Run) -> None:
    for name in ("run.json", "history.csv", "evaluation.json"):
        run.log_file(cell.folder / name)


def _log_figures(run: MlflowRun, cell: Run, tables: dict[str, pd.DataFrame]) -> None:
    classes = tables["classes"]
    predictions = pd.read_parquet(cell.folder / "predictions.parquet")
    figures = {
        "confusion_test.png": confusion_figure(predictions),
        "precision_recall_test.png": precision_recall_figure(predictions),
        "classes_test.png": class_figure(classes[classes["subset"] == "test"]),
        "reliability_test.png": reliability_figure(tables["reliability"]),
    }
    for name, figure in figures.items():
        run.log_figure(figure, name)
        plt.close(figure)


def _log_explanations(run: MlflowRun, params: Params, cell: Run) -> None:
    """What was drawn of the first seed's network."""
    if cell.seed != params.seeds[0]:
        return
    for name in params.explain:
        folder = Path("runs", cell.study, "_explain", name, cell.variant, cell.dataset)
        for figure in read_json(folder / "index.json")["figures"]:
            run.log_file(folder / figure["file"], f"explain/{name}")


def _summary(params: Params, results: pd.DataFrame) -> str:
    """The study in Markdown: every variant's mean on test."""
    metrics = params.compare.metrics
    tested = results[(results["subset"] == "test") & results["metric"].isin(metrics)]
    means = tested.pivot_table(
        index=["dataset", "protocol", "variant"], columns="metric", values="value"
    )
    lines = [
        f"**{params.study.title}**",
        "",
        f"Mean on test over seeds {', '.join(map(str, params.seeds))}; "
        f"intervals, tests and floors: reports/{params.study.name}/index.html.",
        "",
        "| " + " | ".join(["data set", "protocol", "variant", *metrics]) + " |",
        "| --- | --- | --- |" + " ---: |" * len(metrics),
    ]
    best_first = means.sort_values(metrics[0], ascending=False).reset_index()
    for row in best_first.to_dict("records"):
        numbers = (f"{row.get(metric, float('nan')):.3f}" for metric in metrics)
        cells = [row["dataset"], row["protocol"], row["variant"], *numbers]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
