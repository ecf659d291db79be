"""Stage `track`: every cell's record in MLflow made whole from its files.

Training writes curves as they come. What comes later (metrics, figures, the model) is added here;
and a cell that DVC restored from another machine, or that was trained while the store was away,
gets the run that this store has never seen. Doing it twice, or again after it was killed, adds
nothing that is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from ferbench.cells import Cell, all_cells
from ferbench.files import read_json
from ferbench.models.weights import load_trained
from ferbench.params import Params
from ferbench.serving.figures import (
    class_figure,
    confusion_figure,
    precision_recall_figure,
    reliability_figure,
)
from ferbench.serving.registry import logged_model
from ferbench.serving.run_metrics import run_points
from ferbench.serving.standing import best_runs, study_results
from ferbench.training.store import one_at_a_time, store_faults
from ferbench.training.tracking import Run, describe_study, open_run_of, run_tags

__all__ = ["publish_study"]


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
        for cell in all_cells(params):
            mine = {name: _rows_of(params, table, cell) for name, table in tables.items()}
            numbers = _rows_of(params, results, cell), mine["classes"]
            points = run_points(*numbers, params.compare.metrics, params.probes)
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


def _run_of(cell: Cell, record: dict[str, Any]) -> Run:
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


def _rows_of(params: Params, table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """A cell's rows of a table of the study."""
    row = params.datasets[cell.dataset]
    wanted = {"dataset": row.name, "protocol": row.protocol, "variant": cell.variant}
    mine = table[table["seed"] == cell.seed]
    for column, word in wanted.items():
        mine = mine[mine[column] == word]
    return mine


def _log_files(run: Run, cell: Cell) -> None:
    for name in ("run.json", "history.csv", "evaluation.json"):
        run.log_file(cell.folder / name)


def _log_figures(run: Run, cell: Cell, tables: dict[str, pd.DataFrame]) -> None:
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


def _log_explanations(run: Run, params: Params, cell: Cell) -> None:
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
