"""A study's numbers: every cell and metric, as tables for `dvc metrics`, `dvc plots` and people."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferbench.cells import Cell
from ferbench.evaluation.finished import SUBSETS, Finished, finished_cells
from ferbench.evaluation.labels import predicted
from ferbench.evaluation.predictions import classes_of
from ferbench.evaluation.scoring import score_answers, thresholded
from ferbench.files import fresh_folder, whole_file, write_json
from ferbench.params import Params

__all__ = ["MISSED", "Scoreboard", "score_study", "write_scoreboard"]

MISSED = "none"  # predicted label of a missed face


@dataclass(frozen=True)
class Scoreboard:
    """All tables of a study.

    Args:
        results: study, dataset, protocol, variant, seed, subset, metric, value.
        confusion: study, dataset, protocol, variant, seed, subset, target, predicted, count.
        means: variant, data set key, metric: mean over seeds, on test.
        answers: by `<variant>.<key>`, target and predicted label of every test face of all seeds.
        history: variant, dataset, seed and the columns of the runs' `history.csv`.
    """

    results: pd.DataFrame
    confusion: pd.DataFrame
    means: dict[str, Any]
    answers: dict[str, pd.DataFrame]
    history: pd.DataFrame


def score_study(params: Params, root: Path) -> Scoreboard:
    """Score every cell that the study's tables name.

    Raises:
        InputError: a cell or one of its files is absent or broken.
    """
    results: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    answers: dict[str, list[pd.DataFrame]] = {}
    curves = []
    for finished in finished_cells(params, root):
        for subset in SUBSETS:
            place = _place(params, finished.cell, subset)
            threshold = params.score.score_threshold if finished.detects else None
            predictions, boxes = finished.answers(subset)
            values = score_answers(predictions, boxes, params.score.metrics, threshold)
            results += [{**place, "metric": name, "value": v} for name, v in values.items()]
            labels = _labels(predictions, boxes, threshold)
            counts += [{**place, **row} for row in _tally(labels, classes_of(predictions))]
            if subset == "test":
                name = f"{finished.cell.variant}.{finished.cell.dataset}"
                answers.setdefault(name, []).append(labels)
        curves.append(_curve(finished))
    return Scoreboard(
        results=pd.DataFrame(results),
        confusion=pd.DataFrame(counts),
        means=_means(pd.DataFrame(results), params),
        answers={name: pd.concat(tables) for name, tables in answers.items()},
        history=pd.concat(curves, ignore_index=True),
    )


def write_scoreboard(board: Scoreboard, folder: Path) -> None:
    """Write the tables into a study's report folder."""
    write_json(folder / "metrics.json", board.means)
    _write_csv(board.results, folder / "results.csv")
    _write_csv(board.confusion, folder / "confusion.csv")
    with fresh_folder(folder / "plots") as plots:
        _write_csv(board.history, plots / "history.csv")
        for name, labels in board.answers.items():
            _write_csv(labels, plots / "confusion" / f"{name}.csv")


def _place(params: Params, cell: Cell, subset: str) -> dict[str, Any]:
    row = params.datasets[cell.dataset]
    return {
        "study": params.study.name,
        "dataset": row.name,
        "protocol": row.protocol,
        "variant": cell.variant,
        "seed": cell.seed,
        "subset": subset,
    }


def _labels(
    predictions: pd.DataFrame, boxes: pd.DataFrame, threshold: float | None
) -> pd.DataFrame:
    """Target and predicted word of every face."""
    prob, _ = thresholded(predictions, boxes, threshold)
    words = np.array([*classes_of(predictions), MISSED])
    return pd.DataFrame(
        {"target": predictions["target"].to_numpy(), "predicted": words[predicted(prob)]}
    )


def _tally(labels: pd.DataFrame, classes: list[str]) -> Iterable[dict[str, Any]]:
    """A row for every pair of target and prediction, also those that never occur."""
    counts = Counter(zip(labels["target"], labels["predicted"], strict=True))
    for target, word in itertools.product(classes, [*classes, MISSED]):
        yield {"target": target, "predicted": word, "count": counts[target, word]}


def _means(results: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Mean over seeds of each test metric, nested for `dvc metrics show`."""
    tested = results[results["subset"] == "test"]
    tree: dict[str, Any] = {}
    for key, row in params.datasets.items():
        here = tested[(tested["dataset"] == row.name) & (tested["protocol"] == row.protocol)]
        mean = here.groupby(["variant", "metric"], sort=False, as_index=False)["value"].mean()
        for variant, metric, value in mean.itertuples(index=False):
            tree.setdefault(variant, {}).setdefault(key, {})[metric] = round(value, 6)
    return tree


def _curve(finished: Finished) -> pd.DataFrame:
    curve, cell = finished.history(), finished.cell
    place: dict[str, Any] = {
        "variant": cell.variant,
        "dataset": cell.dataset,
        "seed": cell.seed,
    }
    for number, (column, value) in enumerate(place.items()):
        curve.insert(number, column, value)
    return curve


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
