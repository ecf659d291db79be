"""Stage `track`: complete the MLflow run of every training of a study from its files.

Training records curves live; this stage adds metrics, figures and models. It also creates the runs
that this store has never seen, such as those that DVC restored from another machine. Running it
twice, or again after it was killed, adds nothing that is there.

MLflow draws one section of charts for every name before the last `/`, in alphabetical order, so
metrics are named to be read down the page:

- `test/accuracy`, `val/accuracy`: every metric;
- `test/recall/anger`: recall, precision, F1 and AP of every class;
- `test_clean/accuracy`, `test_degraded_medium/accuracy`: on parts of test and on altered test
  images, the metrics that the study compares and those of detected faces;
- `test_canvas/accuracy`: the same as a curve if the conditions of a robustness test are numbers:
  these are the steps; `test_canvas_mean/accuracy` is the mean over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import PrecisionRecallDisplay

from ferbench.artifacts.claims import ClaimRow, read_claims
from ferbench.artifacts.paths import StudyPaths
from ferbench.artifacts.predictions import classes_of
from ferbench.artifacts.runs import RunRecord, read_history
from ferbench.config.params import Params
from ferbench.config.runs import Run, all_runs
from ferbench.files import read_json
from ferbench.tracking.registry import log_selected
from ferbench.tracking.runs import (
    MlflowRun,
    describe_study,
    open_finished_run,
    run_params,
    run_tags,
)
from ferbench.tracking.selection import best_runs, study_results
from ferbench.tracking.store import connect, store_faults, store_lock

__all__ = [
    "DrawCharts",
    "Point",
    "RunTables",
    "class_figure",
    "complete_run",
    "missing_runs",
    "precision_recall_figure",
    "publish_study",
    "run_points",
]

_SPLITS = ("test", "val")
_CLASS_METRICS = ("precision", "recall", "f1", "ap50")
# Beside the compared metrics: whether a detector's boxes still find and classify the face.
_BOX_METRICS = ("map50", "face_detection")
_DRAWN = ("precision", "recall", "f1")
_TABLES = ("classes", "confusion", "reliability")


class Chart(Protocol):
    """A finished chart, as `ferbench.reporting` draws it."""

    @property
    def name(self) -> str:
        """Of its file, without `.svg`."""

    @property
    def svg(self) -> str:
        """The file's text."""


@dataclass(frozen=True)
class RunTables:
    """One run's rows of the study's tables."""

    record: RunRecord  # its `run.json`
    results: pd.DataFrame  # its rows of `results.csv`
    classes: pd.DataFrame  # its rows of `classes.csv`
    confusion: pd.DataFrame  # its rows of `confusion.csv`
    reliability: pd.DataFrame  # its rows of `reliability.csv`


DrawCharts = Callable[[RunTables], Iterable[Chart]]


def publish_study(params: Params, draw_charts: DrawCharts) -> dict[str, str]:
    """Complete the MLflow runs of a study; their ids by the names of our runs.

    The model of each variant's best seed on val is logged with its signature; the other models stay
    files. `claims.csv` is a file of the runs whose variants it names, and a table of the note of
    the experiment.

    Args:
        params: the active study.
        draw_charts: draws the report's charts of one run.
    """
    results = study_results(params)
    best = {
        selected.run: selected
        for dataset in params.datasets
        for selected in best_runs(params, results, dataset).values()
    }
    reports = StudyPaths(params.study.name).reports
    tables = {name: pd.read_csv(reports / f"{name}.csv") for name in _TABLES} | {"results": results}
    claims = read_claims(reports / "claims.csv")
    judged = {name for row in claims for name in (row.variant_a, row.variant_b)}
    ids = {}
    # Two checkouts completing one run at once would both add what they both find missing.
    with store_faults(), store_lock("track"):
        for run in all_runs(params):
            record = RunRecord.read(run.folder / "run.json")
            mlflow_run = complete_run(run, params)
            own = {name: _rows_of(params, table, run) for name, table in tables.items()}
            _log_results(mlflow_run, run, params, RunTables(record, **own), draw_charts)
            if run.variant in judged:
                mlflow_run.log_file(reports / "claims.csv")
            mlflow_run.set_tags(run_tags(record) | {"best_seed": run in best})
            if run in best:
                log_selected(best[run], params.score.score_threshold)
            mlflow_run.finish()
            ids[run.name] = mlflow_run.run_id
        text = f"{_summary(params, results)}\n\n{_claims_note(claims)}"
        describe_study(params.study.name, text)
    return ids


def missing_runs(params: Params) -> list[Run]:
    """The finished trainings of a study that the store does not have, as after `dvc pull`."""
    client, known = connect(), set()
    found = client.get_experiment_by_name(params.study.name)
    page: Any = None
    while found is not None and (page is None or page.token):
        page = client.search_runs([found.experiment_id], page_token=page and page.token)
        known |= {run.data.tags.get("run_key") for run in page}
    finished = [run for run in all_runs(params) if (run.folder / "run.json").is_file()]
    return [run for run in finished if RunRecord.read(run.folder / "run.json").run_key not in known]


def complete_run(run: Run, params: Params) -> MlflowRun:
    """The MLflow run of a finished training, with all that training would have recorded live."""
    record = RunRecord.read(run.folder / "run.json")
    history = read_history(run.folder / "history.csv")
    mlflow_run = open_finished_run(record)
    mlflow_run.log_params(run_params(run.variant, params))
    mlflow_run.complete(record, history.to_dict("records"))
    return mlflow_run


def _rows_of(params: Params, table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """A run's rows of a table of the study."""
    row = params.datasets[run.dataset]
    wanted = {"dataset": row.name, "protocol": row.protocol, "variant": run.variant}
    own = table[table["seed"] == run.seed]
    for column, word in wanted.items():
        own = own[own[column] == word]
    return own


def _log_results(
    mlflow_run: MlflowRun, run: Run, params: Params, tables: RunTables, draw_charts: DrawCharts
) -> None:
    """Log metrics, data set, files, figures and explanations."""
    points = run_points(tables.results, tables.classes, params.compare.metrics)
    mlflow_run.log_points((point.name, point.step, point.value) for point in points)
    mlflow_run.log_dataset(tables.record, Path("reports", "data", f"{run.dataset}.json"))
    for name in ("run.json", "history.csv", "evaluation.json"):
        mlflow_run.log_file(run.folder / name)
    for chart in draw_charts(tables):
        mlflow_run.log_text(chart.svg, f"{chart.name}.svg")
    predictions = pd.read_parquet(run.folder / "predictions.parquet")
    tested = tables.classes[tables.classes["subset"] == "test"]
    for name, figure in (
        ("precision_recall_test.png", precision_recall_figure(predictions)),
        ("classes_test.png", class_figure(tested)),
    ):
        mlflow_run.log_figure(figure, name)
        plt.close(figure)
    if run.seed == params.seeds[0]:  # only the first seed's network is explained
        for name in params.explain:
            folder = Path("runs", run.study, "_explain", name, run.variant, run.dataset)
            for drawn in read_json(folder / "index.json")["figures"]:
                mlflow_run.log_file(folder / drawn["file"], f"explain/{name}")


@dataclass(frozen=True)
class Point:
    """One number of a run."""

    name: str  # of the metric in MLflow
    value: float  # finite
    step: int = 0  # condition of a robustness test if conditions are numbers; else 0


def run_points(
    results: pd.DataFrame, classes: pd.DataFrame, compared: Sequence[str]
) -> list[Point]:
    """A run's numbers in ascending order of their steps.

    Undefined values, such as the recall of a class without a face, are left out.

    Args:
        results: the run's rows of `results.csv`.
        classes: the run's rows of `classes.csv`.
        compared: metrics that the study compares.
    """
    of_class = classes[classes["subset"].eq("test") & classes["metric"].isin(_CLASS_METRICS)]
    columns = ["subset", "metric", "emotion", "value"]
    points = [
        Point(f"{subset}/{metric}/{emotion}", float(value))
        for subset, metric, emotion, value in of_class[columns].dropna().to_numpy()
    ]
    kept = results["subset"].isin(_SPLITS) | results["metric"].isin([*compared, *_BOX_METRICS])
    points += [_point(row) for row in results[kept & results["value"].notna()].itertuples()]
    return sorted(points, key=lambda point: point.step)


def _point(row: Any) -> Point:
    """A row of `results.csv` as a point."""
    value = float(row.value)
    if not row.robustness:
        return Point(f"{row.subset}/{row.metric}", value)
    if row.condition.isdecimal():
        return Point(f"test_{row.robustness}/{row.metric}", value, int(row.condition))
    return Point(f"test_{row.robustness}_{row.condition}/{row.metric}", value)


def precision_recall_figure(predictions: pd.DataFrame) -> Figure:
    """Precision over recall of each class against the rest, by predicted probability.

    A class without a face on test has no curve. A missed face counts with probability 0.

    Args:
        predictions: rows of `predictions.parquet`.
    """
    figure, axes = plt.subplots(figsize=(6, 5.4))
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


def class_figure(classes: pd.DataFrame) -> Figure:
    """Precision, recall and F1 of every class.

    Args:
        classes: rows of `classes.csv` of one run and subset.
    """
    table = classes[classes["metric"].isin(_DRAWN)]
    order = table["emotion"].unique()
    wide = table.pivot_table(index="emotion", columns="metric", values="value", dropna=False)
    figure, axes = plt.subplots(figsize=(7, 4.2))
    figure.subplots_adjust(bottom=0.3)  # fixed: to measure all labels takes as long as to draw
    wide.reindex(index=order, columns=list(_DRAWN)).plot.bar(ax=axes, rot=30, width=0.8)
    axes.set(ylim=(0, 1), xlabel="", title="Test, by class")
    axes.legend(title="", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    return figure


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
        f"intervals, tests and naive baselines: reports/{params.study.name}/index.html.",
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


def _claims_note(claims: Sequence[ClaimRow]) -> str:
    """The verdicts of a study in Markdown, in points."""
    if not claims:
        return "No claim of a paper is about two variants of this study."
    columns = ["claim", "A over B", "data set", "protocol", "metric", "printed", "ours", "verdict"]
    lines = ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
    for row in claims:
        ours = f"{_points(row.estimate)} [{_points(row.low)}, {_points(row.high)}]"
        cells = [
            *(row.claim, f"{row.variant_a} over {row.variant_b or 'a threshold'}", row.dataset),
            *(row.protocol, " ".join([row.metric, row.robustness]).strip()),
            *(_points(row.printed), ours, row.direction),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _points(value: float) -> str:
    """A fraction in points with its sign; a dash for what there is not."""
    return "\N{EN DASH}" if math.isnan(value) else f"{100 * value:+.1f}"
