"""The rule of selection: which epoch, seed or variant is the best one on val.

Training selects the epoch of a run by it, evaluation the seed of a variant, and the registry and
promotion the model of a study.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ferbench.artifacts.results import DECIMALS
from ferbench.artifacts.runs import RunRecord
from ferbench.errors import InputError
from ferbench.evaluation.scoring import higher_is_better

__all__ = ["Candidate", "Place", "best_index", "best_seeds", "improvement", "val_losses"]

# Dataset, protocol and variant, as in `results.csv`.
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Candidate:
    """An epoch, a seed or a variant to select from.

    Args:
        value: the selection metric on val.
        val_loss: the loss on val, which breaks ties; infinity where it is unknown.
    """

    value: float
    val_loss: float = math.inf


def best_index(candidates: Sequence[Candidate], higher_is_better: bool) -> int:
    """Index of the best candidate.

    The best candidate has the best value of the metric. Ties are broken by the lower loss on val,
    and remaining ties by the lower index. A candidate whose value is NaN is never selected, and a
    loss that is NaN counts as infinity.

    Args:
        candidates: in their order: epochs, seeds or rows of a table.
        higher_is_better: the direction of the metric.

    Raises:
        InputError: no candidate has a value that is a number.

    >>> epochs = [Candidate(0.5, 1.2), Candidate(0.6, 1.3), Candidate(0.6, 1.1)]
    >>> best_index(epochs, higher_is_better=True)
    2
    >>> best_index(epochs, higher_is_better=False)
    0
    """
    keys = [
        (
            -c.value if higher_is_better else c.value,
            math.inf if math.isnan(c.val_loss) else c.val_loss,
            index,
        )
        for index, c in enumerate(candidates)
        if not math.isnan(c.value)
    ]
    if not keys:
        raise InputError(
            f"none of {len(candidates)} candidates has a value of the selection metric on val",
            remedy="select by a metric that is defined on val, such as accuracy",
        )
    return min(keys)[2]


def improvement(value: float, reference: float, higher_is_better: bool) -> float:
    """How much better a value is than a reference; negative if it is worse.

    >>> improvement(0.25, 0.5, higher_is_better=False)
    0.25
    """
    return value - reference if higher_is_better else reference - value


def val_losses(runs: Iterable[RunRecord]) -> dict[tuple[Place, int], float]:
    """Loss on val of each run's selected epoch, by place and seed."""
    return {((run.name, run.protocol, run.variant), run.seed): run.val_loss for run in runs}


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
