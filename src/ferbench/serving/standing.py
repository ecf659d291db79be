"""How the cells of a study stand, from its tables: which is best on val."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferbench.cells import Cell
from ferbench.errors import InputError
from ferbench.params import Params

__all__ = ["Standing", "best_cell", "best_seeds", "read_results"]


@dataclass(frozen=True)
class Standing:
    """One cell with its numbers.

    Args:
        cell: which.
        val: metrics on val.
        test: metrics on test, for the record only: nothing is selected by them.
    """

    cell: Cell
    val: dict[str, float]
    test: dict[str, float]


def read_results(study: str, root: Path = Path("reports")) -> pd.DataFrame:
    """The study's `results.csv`.

    Raises:
        InputError: it is not there.
    """
    path = root / study / "results.csv"
    if not path.is_file():
        raise InputError("no results", where=path, remedy="`dvc repro` computes them")
    return pd.read_csv(path)


def best_seeds(params: Params, results: pd.DataFrame, dataset: str) -> dict[str, Standing]:
    """Of each variant, the seed that is best on val by the metric of promotion.

    Of equals it is the lower seed.
    """
    here = _rows_of(params, results, dataset)
    chosen = {}
    for variant in params.variants:
        mine = here[here["variant"] == variant]
        val = _on_val(params, mine)
        if val.empty:
            raise InputError(
                f"{variant} has no {params.promote.metric} on val, which picks the best seed",
                where="params.yaml: promote: metric",
                remedy="take a metric that every variant has, such as accuracy",
            )
        ordered = val.sort_values(["value", "seed"], ascending=[False, True])
        seed = int(ordered.iloc[0]["seed"])
        of_seed = mine[mine["seed"] == seed]
        sides = {
            side: dict(zip(rows["metric"], rows["value"].astype(float), strict=True))
            for side, rows in of_seed.groupby("subset")
        }
        cell = Cell(params.study.name, variant, dataset, seed)
        chosen[variant] = Standing(cell, sides["val"], sides["test"])
    return chosen


def best_cell(params: Params, results: pd.DataFrame, dataset: str) -> Standing:
    """The best seed, on val, of the variant whose mean over seeds is best on val.

    The variant is chosen by its mean, so that one lucky run does not decide.
    """
    here = _on_val(params, _rows_of(params, results, dataset))
    means = here.groupby("variant")["value"].mean().reindex(list(params.variants))
    return best_seeds(params, results, dataset)[str(means.idxmax())]


def _rows_of(params: Params, results: pd.DataFrame, dataset: str) -> pd.DataFrame:
    row = params.datasets[dataset]
    return results[(results["dataset"] == row.name) & (results["protocol"] == row.protocol)]


def _on_val(params: Params, results: pd.DataFrame) -> pd.DataFrame:
    """The rows that select: the metric of promotion, on val."""
    return results[(results["subset"] == "val") & (results["metric"] == params.promote.metric)]
