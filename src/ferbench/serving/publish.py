"""Stage `track`: every cell's record in MLflow made whole from its files.

Training writes curves as they come. What comes later (metrics, figures, the model) is added here;
and a cell that DVC restored from another machine gets the run that this store has never seen. Doing
it twice adds nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from ferbench.cells import Cell, all_cells
from ferbench.files import read_json
from ferbench.models.weights import load_trained
from ferbench.params import Params
from ferbench.serving.registry import logged_model
from ferbench.serving.standing import best_seeds, read_results
from ferbench.training.tracking import Run, open_run_of, run_tags

__all__ = ["publish_study"]


def publish_study(params: Params) -> dict[str, str]:
    """Complete the runs of all cells of the study; run ids by cell name.

    The model of each variant's best seed, on val, is logged with its signature; the others stay
    files.
    """
    results = read_results(params.study.name)
    best = {
        standing.cell
        for dataset in params.datasets
        for standing in best_seeds(params, results, dataset).values()
    }
    runs = {}
    for cell in all_cells(params):
        record = read_json(cell.folder / "run.json")
        run = _run_of(cell, record)
        run.log_values(_values(params, results, cell))
        run.log_dataset(record, Path("reports", "data", f"{cell.dataset}.json"))
        _log_files(run, cell)
        run.set_tags(run_tags(record) | {"best_seed": cell in best})
        if cell in best:
            logged_model(cell.study, record, load_trained(cell.folder / "model.pt"))
        run.finish()
        runs[cell.name] = run.run_id
    return runs


def _run_of(cell: Cell, record: dict[str, Any]) -> Run:
    """The cell's run; made from its files if this store does not know it."""
    run, new = open_run_of(record, f"{cell.variant}-{cell.dataset}-s{cell.seed}")
    if new:
        description = Path("reports", cell.study, "variants", f"{cell.variant}.json")
        run.log_params({k: read_json(description)[k] for k in ("row", "recipe")})
        history = pd.read_csv(cell.folder / "history.csv")
        for values in history.itertuples(index=False):
            run.log_epoch(dict(zip(history.columns, values, strict=True)))
    return run


def _values(params: Params, results: pd.DataFrame, cell: Cell) -> dict[str, float]:
    """The cell's numbers under names such as `test/accuracy`."""
    row = params.datasets[cell.dataset]
    keys = {"dataset": row.name, "protocol": row.protocol, "variant": cell.variant}
    mine = results[results["seed"] == cell.seed]
    for column, word in keys.items():
        mine = mine[mine[column] == word]
    names = mine["subset"] + "/" + mine["metric"]
    return dict(zip(names, mine["value"].astype(float), strict=True))


def _log_files(run: Run, cell: Cell) -> None:
    for name in ("run.json", "history.csv", "evaluation.json"):
        run.log_file(cell.folder / name)
    figure = _confusion(pd.read_parquet(cell.folder / "predictions.parquet"))
    run.log_figure(figure, "confusion_test.png")
    plt.close(figure)


def _confusion(predictions: pd.DataFrame) -> Figure:
    """Shares of each true class by predicted class; `none` where a detector found nothing."""
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
