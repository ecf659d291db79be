"""The naive baselines that a study's runs are compared with: those of the splits that they had.

Where every seed has a split of its own, a baseline of another draw is no reference: the mean over
the seeds' own draws is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ferbench.artifacts.datasets import Baselines

__all__ = ["BASELINE_NAMES", "baselines_of_seeds"]

# In the order of tables, by their key in `<key>.baselines.json`.
BASELINE_NAMES = {
    "majority_class": "majority class",
    "nearest_neighbour": "1-NN on raw pixels",
    "nearest_neighbour_standardised": "1-NN on standardised pixels",
}


def baselines_of_seeds(
    baselines: Baselines,
    redrawn: bool,
    seeds: Sequence[int],
    split: Literal["test", "val"] = "test",
) -> dict[str, float]:
    """Mean accuracy of each naive baseline over the splits of some seeds.

    Args:
        baselines: of the data set.
        redrawn: whether every seed has a split of its own; otherwise all have the same.
        seeds: of the runs. Where one of them was not drawn (`redraws` has seeds 0 to 9), the mean
            is over all draws.
        split: where accuracy was measured.

    Returns:
        By baseline; empty if nothing was measured on val.
    """
    if not redrawn or baselines.redraws is None:
        measured = baselines.split if split == "test" else baselines.val or {}
        return {name: float(of) for name, of in measured.items() if not name.startswith("n_")}
    means = {}
    for name, spread in baselines.redraws.items():
        values = spread["values" if split == "test" else "val_values"]
        own = [values[seed] for seed in seeds if seed < len(values)]
        means[name] = float(np.mean(own if len(own) == len(seeds) else values))
    return means
