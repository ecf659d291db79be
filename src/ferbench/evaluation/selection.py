"""Selection of a variant's best seed, by the rule of `ferbench.selection`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ferbench.evaluation.scoring import higher_is_better
from ferbench.results import DECIMALS
from ferbench.selection import Candidate, best_index

__all__ = ["Place", "best_seeds", "val_losses"]

# Dataset, protocol and variant, as in `results.csv`.
Place = tuple[str, str, str]


def val_losses(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[Place, int], float]:
    """Loss on val of each run's selected epoch, by place and seed; infinity if it has none.

    Args:
        runs: `run.json` of every run.
    """
    return {
        ((str(run["name"]), str(run["protocol"]), str(run["variant"])), int(run["seed"])): float(
            run.get("val_loss", math.inf)
        )
        for run in runs
    }


def best_seeds(
    results: pd.DataFrame, metrics: Sequence[str], losses: Mapping[tuple[Place, int], float]
) -> dict[Place, int]:
    """Seed of each variant's best run on val, by dataset, protocol and variant.

    Values are compared as `results.csv` stores them, so that the seed is the same before and after
    they are written.

    Args:
        results: rows of `results.csv`.
        metrics: the first one that the variant has selects.
        losses: as `val_losses` gives them; they break ties.
    """
    known = results[results["subset"].eq("val") & results["value"].notna()].sort_values(
        "seed", kind="stable"
    )
    best: dict[Place, int] = {}
    for (dataset, protocol, variant), rows in known.groupby(
        ["dataset", "protocol", "variant"], sort=False
    ):
        place = (str(dataset), str(protocol), str(variant))
        metric = next((name for name in metrics if name in set(rows["metric"])), None)
        if metric is None:
            continue
        own = rows[rows["metric"] == metric]
        seeds = [int(seed) for seed in own["seed"]]
        candidates = [
            Candidate(round(float(value), DECIMALS), losses.get((place, seed), math.inf))
            for seed, value in zip(seeds, own["value"], strict=True)
        ]
        best[place] = seeds[best_index(candidates, higher_is_better(metric))]
    return best
