"""Scores that are no means over faces, on resampled clusters of test faces.

Clusters (persons where they are known) are drawn with replacement, as many as there are, each with
all its faces and all predictions for them. The draws are the same for all variants, seeds and
metrics, so that differences are paired. Only scores of predicted classes can be had from
`faces.parquet`; of others (mean average precision, AUROC, calibration) the variance due to test
faces is not known here.

Source: Field and Welsh, "Bootstrapping clustered data", JRSS B 69(3), 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ferbench.artifacts.predictions import FACE_KEY
from ferbench.stats.evidence import EvidencePart, clusters_of

__all__ = ["REPLICATES", "SCORES", "Resampled", "resampled"]

REPLICATES = 200  # a standard error within 5 % of that of endless draws
_SEED = 0

_Array = NDArray[np.float64]


def _balanced_accuracy(counts: _Array) -> _Array:
    return _over_present(counts, _right(counts) / _support(counts))


def _f1_macro(counts: _Array) -> _Array:
    return _over_present(counts, 2 * _right(counts) / (_support(counts) + _given(counts)))


def _precision_macro(counts: _Array) -> _Array:
    return _over_present(counts, _right(counts) / np.maximum(_given(counts), 1))


def _f1_weighted(counts: _Array) -> _Array:
    f1 = 2 * _right(counts) / (_support(counts) + _given(counts))
    return np.nansum(f1 * _support(counts), axis=-1) / counts.sum(axis=(-2, -1))


def _precision_weighted(counts: _Array) -> _Array:
    precision = _right(counts) / np.maximum(_given(counts), 1)
    return (precision * _support(counts)).sum(axis=-1) / counts.sum(axis=(-2, -1))


def _recall_weighted(counts: _Array) -> _Array:
    return _right(counts).sum(axis=-1) / counts.sum(axis=(-2, -1))


def _kappa(counts: _Array) -> _Array:
    faces = counts.sum(axis=(-2, -1))
    chance = (_support(counts) * _given(counts)).sum(axis=-1) / faces**2
    return (_right(counts).sum(axis=-1) / faces - chance) / (1 - chance)


def _right(counts: _Array) -> _Array:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _support(counts: _Array) -> _Array:
    return counts.sum(axis=-1)


def _given(counts: _Array) -> _Array:
    return counts[..., :-1].sum(axis=-2)


def _over_present(counts: _Array, of_class: _Array) -> _Array:
    """Mean over the classes that have a true face."""
    present = _support(counts) > 0
    return np.where(present, of_class, 0.0).sum(axis=-1) / present.sum(axis=-1)


# Of (..., K, K + 1) faces by true and predicted class, the last column for misses; defined as the
# metrics of the same names in `ferbench.evaluation.metrics.classification`.
SCORES: Mapping[str, Callable[[_Array], _Array]] = {
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
    "f1_weighted": _f1_weighted,
    "kappa": _kappa,
    "precision_macro": _precision_macro,
    "precision_weighted": _precision_weighted,
    "recall_macro": _balanced_accuracy,
    "recall_weighted": _recall_weighted,
}


@dataclass(frozen=True, eq=False)
class Resampled:
    """Confusions of every run on the test faces and on resampled ones.

    Args:
        counts: (1 + `REPLICATES`, runs, K, K + 1); the first are the faces themselves.
        runs: variant and seed.
        clusters: number of clusters that were drawn from.
        faces: number of different faces.
    """

    counts: _Array
    runs: pd.MultiIndex
    clusters: int
    faces: int

    def scores(self, metric: str) -> pd.DataFrame:
        """(1 + replicates, runs) of a metric of `SCORES`; runs are variant and seed."""
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
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=REPLICATES)
    weights = np.concatenate([np.ones((1, len(names))), drawn])
    counts = np.asarray((table.T @ weights.T).T).reshape(-1, len(runs), k, k + 1)
    return Resampled(counts, pd.MultiIndex.from_tuples(runs), len(names), len(of_face))
