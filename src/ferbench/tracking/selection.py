"""Selection of a study's models on val: the best seed of each variant, and the best variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferbench.artifacts.results import DECIMALS, read_results
from ferbench.artifacts.runs import RunRecord
from ferbench.config.params import Params
from ferbench.config.runs import Run, all_runs
from ferbench.errors import InputError
from ferbench.evaluation.scoring import higher_is_better
from ferbench.evaluation.selection import Candidate, best_index, best_seeds, val_losses

__all__ = ["SelectedRun", "best_run", "best_runs", "study_results"]


@dataclass(frozen=True)
class SelectedRun:
    """A selected run with its metrics."""

    run: Run  # which
    val: dict[str, float]  # metrics on val
    test: dict[str, float]  # metrics on test, for information only: nothing is selected by them


def study_results(params: Params) -> pd.DataFrame:
    """The active study's `results.csv`."""
    return read_results(Path("reports", params.study.name, "results.csv"))


def best_runs(params: Params, results: pd.DataFrame, dataset: str) -> dict[str, SelectedRun]:
    """The best run of each variant on val, by the metric of promotion.

    Raises:
        InputError: a variant has no value of the metric.
    """
    row = params.datasets[dataset]
    here = _rows_of(params, results, dataset)
    records = [run.folder / "run.json" for run in all_runs(params)]
    losses = val_losses(RunRecord.read(path) for path in records if path.is_file())
    best = best_seeds(here, [params.promote.metric], losses)
    selected = {}
    for variant in params.variants:
        place = (row.name, row.protocol, variant)
        if place not in best:
            raise InputError(
                f"{variant} has no {params.promote.metric} on val, which selects the best seed",
                where="params.yaml: promote: metric",
                remedy="use a metric that every variant has, such as accuracy",
            )
        of_seed = here[(here["variant"] == variant) & (here["seed"] == best[place])]
        metrics = {
            split: dict(zip(rows["metric"], rows["value"].astype(float), strict=True))
            for split, rows in of_seed.groupby("subset")
        }
        run = Run(params.study.name, variant, dataset, best[place])
        selected[variant] = SelectedRun(run, metrics["val"], metrics["test"])
    return selected


def best_run(params: Params, results: pd.DataFrame, dataset: str) -> SelectedRun:
    """The best run on val of the variant with the best mean over seeds on val.

    Selecting the variant by its mean keeps one lucky run from deciding. Of variants with equal
    means the earlier row wins, because losses of different variants cannot be compared.
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
