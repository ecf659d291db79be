"""Selection of a study's models: each variant's best seed and the best variant, on val."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferbench.artifacts.results import DECIMALS, read_results
from ferbench.config.params import Params
from ferbench.config.runs import Run, all_runs
from ferbench.errors import InputError
from ferbench.evaluation.scoring import higher_is_better
from ferbench.evaluation.selection import Candidate, best_index, best_seeds, val_losses
from ferbench.files import read_json

__all__ = ["SelectedRun", "best_run", "best_runs", "study_results"]


@dataclass(frozen=True)
class SelectedRun:
    """One cell with its numbers.

    Args:
        cell: which.
        val: metrics on val.
        test: metrics on test, for the record only: nothing is selected by them.
    """

    cell: Run
    val: dict[str, float]
    test: dict[str, float]


def study_results(params: Params) -> pd.DataFrame:
    """The active study's `results.csv`."""
    return read_results(Path("reports", params.study.name, "results.csv"))


def best_runs(params: Params, results: pd.DataFrame, dataset: str) -> dict[str, SelectedRun]:
    """The best run of each variant on val, by the metric of promotion.

    Raises:
        InputError: a variant has no value of the metric.
    """
    here, row = _rows_of(params, results, dataset), params.datasets[dataset]
    best = best_seeds(here, [params.promote.metric], _losses(params))
    chosen = {}
    for variant in params.variants:
        place = (row.name, row.protocol, variant)
        if place not in best:
            raise InputError(
                f"{variant} has no {params.promote.metric} on val, which picks the best seed",
                where="params.yaml: promote: metric",
                remedy="take a metric that every variant has, such as accuracy",
            )
        of_seed = here[(here["variant"] == variant) & (here["seed"] == best[place])]
        splits = {
            split: dict(zip(rows["metric"], rows["value"].astype(float), strict=True))
            for split, rows in of_seed.groupby("subset")
        }
        cell = Run(params.study.name, variant, dataset, best[place])
        chosen[variant] = SelectedRun(cell, splits["val"], splits["test"])
    return chosen


def best_run(params: Params, results: pd.DataFrame, dataset: str) -> SelectedRun:
    """The best run, on val, of the variant whose mean over seeds is best on val.

    The variant is selected by its mean, so that one lucky run does not decide. Of variants with
    equal means it is the earlier row: losses of different variants cannot be compared.
    """
    runs, metric = best_runs(params, results, dataset), params.promote.metric
    here = _rows_of(params, results, dataset)
    here = here[(here["subset"] == "val") & (here["metric"] == metric)]
    means = here.groupby("variant")["value"].mean().reindex(list(params.variants))
    candidates = [Candidate(round(float(mean), DECIMALS)) for mean in means]
    return runs[str(means.index[best_index(candidates, higher_is_better(metric))])]


def _rows_of(params: Params, results: pd.DataFrame, dataset: str) -> pd.DataFrame:
    row = params.datasets[dataset]
    return results[(results["dataset"] == row.name) & (results["protocol"] == row.protocol)]


def _losses(params: Params) -> dict[tuple[tuple[str, str, str], int], float]:
    """Loss on val of every run whose record is here."""
    records = [cell.folder / "run.json" for cell in all_runs(params)]
    return val_losses(read_json(path) for path in records if path.is_file())
