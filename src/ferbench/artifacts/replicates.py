"""`replicates.parquet`: metrics on resampled test faces, which their variance is estimated from.

Clusters of test faces (persons where they are known, else sequences, else images) are drawn with
replacement, as many as a data set has in the test parts of all seeds under one protocol, each with
all its faces and all predictions for them. The draws are the same for all variants, seeds, subsets
and metrics of a data set and protocol, so that differences are paired.

| column | meaning |
|---|---|
| dataset, protocol, variant, seed, subset, robustness, condition, metric | as in `results.csv` |
| replicate | 0 for the faces themselves, then 1 to `REPLICATES` |
| value | of the metric; NaN where a replicate does not define it |
| clusters | number of clusters with a face in the subset, of any seed |
| faces | number of different faces of the subset, of all seeds |
| cluster | what the clusters are: `person`, `sequence`, `image` or `mixed` |

The file holds only what is not computed from `faces.parquet` by the stages that compare.

Source: Field and Welsh, "Bootstrapping clustered data", JRSS B 69(3), 2007.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import FACE_KEY
from ferbench.errors import InputError
from ferbench.files import whole_file

__all__ = [
    "COLUMNS",
    "REPLICATES",
    "ClusterDraws",
    "cluster_names",
    "draw_clusters",
    "kind_of",
    "read_replicates",
    "write_replicates",
]

REPLICATES = 200  # a standard error within 5 % of that of endless draws
_RUN = ["dataset", "protocol", "variant", "seed", "subset", "robustness", "condition", "metric"]
COLUMNS = [*_RUN, "replicate", "value", "clusters", "faces", "cluster"]
_UNITS = ("person", "sequence")  # what groups faces, if it is known; the first one first
_SEED = 0


@dataclass(frozen=True, eq=False)
class ClusterDraws:
    """How often each cluster is in each replicate.

    Args:
        names: (C,) of the clusters, sorted.
        weights: (1 + `REPLICATES`, C); the first row, the faces themselves, is ones.
    """

    names: pd.Index
    weights: NDArray[np.float64]


def cluster_names(faces: pd.DataFrame) -> pd.Series:
    """By face, the kind and name of its cluster, such as `person s07`.

    Args:
        faces: image_id and face, in any number of rows; person and sequence, null where unknown,
            as far as there are such columns.
    """
    known = faces.drop_duplicates(FACE_KEY).set_index(FACE_KEY)
    found = "image " + pd.Series(known.index.get_level_values("image_id"), known.index)
    for unit in reversed(_UNITS):
        if unit in known:
            names = known[unit].astype("object")
            found = (f"{unit} " + names).where(names.notna(), found)
    return found


def kind_of(names: Iterable[str]) -> str:
    """What clusters are, by their names: `person`, `sequence`, `image`, or `mixed`.

    >>> kind_of(["person s07", "person s08"]), kind_of(["person s07", "image 12"])
    ('person', 'mixed')
    """
    kinds = {name.partition(" ")[0] for name in names}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def draw_clusters(clusters: pd.Series) -> ClusterDraws:
    """Draw as many clusters as there are, with replacement, `REPLICATES` times.

    Args:
        clusters: names of the clusters of all test faces, each any number of times; equal sets
            give equal draws.
    """
    names = pd.Index(sorted(clusters.unique()))
    count, rng = len(names), np.random.default_rng(_SEED)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=REPLICATES)
    return ClusterDraws(names, np.concatenate([np.ones((1, count)), drawn]))


def write_replicates(path: Path, table: pd.DataFrame) -> None:
    """Write a `replicates.parquet`; without rows it has its columns.

    Args:
        path: of the file.
        table: `COLUMNS`.
    """
    with whole_file(path) as temporary:
        table[COLUMNS].to_parquet(temporary, index=False)


def read_replicates(path: Path) -> pd.DataFrame:
    """The rows of a `replicates.parquet`.

    Raises:
        InputError: there is no such file, or its columns are others.
    """
    remedy = "`dvc repro score` makes it"
    if not path.is_file():
        raise InputError("no replicates", where=path, remedy=remedy)
    table = pd.read_parquet(path)
    if list(table.columns) != COLUMNS:
        raise InputError(
            f"columns are {list(table.columns)}, not {COLUMNS}", where=path, remedy=remedy
        )
    return table
