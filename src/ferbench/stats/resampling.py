"""Scores on resampled clusters of test faces, from `faces.parquet` or `replicates.parquet`.

How clusters are drawn is described in `ferbench.artifacts.replicates`; here the draws are the
same, so that differences between the two files are paired too. Scores of predicted classes are
computed from the faces. Others (mean average precision, AUROC, calibration) and those on altered
images are what stage `score` stored; of a study without these the variance due to test faces is not
known.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ferbench.artifacts.predictions import FACE_KEY
from ferbench.artifacts.replicates import draw_clusters
from ferbench.confusions import SCORES
from ferbench.stats.evidence import EvidencePart, cluster_kind, clusters_of

__all__ = ["Replicates", "Resampled", "replicates_of", "resampled"]

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Replicates:
    """One metric of every run on the test faces and on resampled ones.

    Args:
        values: (1 + replicates, runs); the first row is of the faces themselves, and runs are
            variant and seed.
        clusters: number of clusters of the faces.
        faces: number of different faces.
        cluster: what the clusters are: `person`, `sequence`, `image`, `mixed`.
    """

    values: pd.DataFrame
    clusters: int
    faces: int
    cluster: str


def replicates_of(part: EvidencePart, metric: str) -> Replicates | None:
    """The replicates of a metric; None where neither file gives them.

    Args:
        part: of the evidence.
        metric: of `results.csv`.
    """
    stored = part.replicates
    if stored is not None:
        stored = stored[stored["metric"] == metric]
        if not stored.empty:
            first = stored.iloc[0]
            wide = stored.pivot(index="replicate", columns=["variant", "seed"], values="value")
            sizes = int(first["clusters"]), int(first["faces"])
            return Replicates(wide.sort_index(axis="columns"), *sizes, str(first["cluster"]))
    if part.faces is None or metric not in SCORES:
        return None
    known = resampled(part)
    return Replicates(known.scores(metric), known.clusters, known.faces, cluster_kind(part))


@dataclass(frozen=True, eq=False)
class Resampled:
    """Confusions of every run on the test faces and on resampled ones.

    Args:
        counts: (1 + replicates, runs, K, K + 1); the first are the faces themselves.
        runs: variant and seed.
        clusters: number of clusters that were drawn from.
        faces: number of different faces.
    """

    counts: _Array
    runs: pd.MultiIndex
    clusters: int
    faces: int

    def scores(self, metric: str) -> pd.DataFrame:
        """(1 + replicates, runs) of a score of `ferbench.confusions`, by variant and seed."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return pd.DataFrame(SCORES[metric](self.counts), columns=self.runs)


_KNOWN: WeakKeyDictionary[EvidencePart, Resampled] = WeakKeyDictionary()


def resampled(part: EvidencePart) -> Resampled:
    """The resampled confusions of a part with predictions; computed once.

    Raises:
        InputError: there are no predictions.
    """
    if part not in _KNOWN:
        _KNOWN[part] = _resample(part)
    return _KNOWN[part]


def _resample(part: EvidencePart) -> Resampled:
    of_face = clusters_of(part)
    assert part.faces is not None  # or clusters_of would have refused
    faces = part.faces.sort_values(["variant", "seed"], kind="stable")
    codes, names = pd.factorize(of_face, sort=True)
    cluster = pd.Series(codes, of_face.index)[pd.MultiIndex.from_frame(faces[FACE_KEY])].to_numpy()
    classes = pd.Index(sorted(faces["target"].unique()))
    run, runs = pd.factorize(pd.MultiIndex.from_frame(faces[["variant", "seed"]]))
    true, label = (classes.get_indexer(faces[name]) for name in ("target", "predicted"))
    k = len(classes)
    label = np.where(label < 0, k, label)  # a miss, or a class that no test face has
    cell = (run * k + true) * (k + 1) + label
    shape = (len(names), len(runs) * k * (k + 1))
    table = sparse.csr_matrix((np.ones(len(faces)), (cluster, cell)), shape=shape)
    weights = draw_clusters(of_face).weights
    counts = np.asarray((table.T @ weights.T).T).reshape(-1, len(runs), k, k + 1)
    return Resampled(counts, pd.MultiIndex.from_tuples(runs), len(names), len(of_face))
