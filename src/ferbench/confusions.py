"""Scores of predicted classes from counts, for many samples of faces at once.

`ferbench.evaluation.metrics.classification` defines the scores of one sample; these are the same
ones along leading axes, so that a score on hundreds of resampled test parts costs one call.

Of four faces of two classes, one of the first and three of the second, two are recognised, one is
taken for the first class and one is missed:

>>> counts = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
>>> {name: round(float(SCORES[name](counts)), 4) for name in ("accuracy", "f1_macro", "kappa")}
{'accuracy': 0.5, 'f1_macro': 0.5833, 'kappa': 0.2727}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCORES"]

_Array = NDArray[np.float64]


def _accuracy(counts: _Array) -> _Array:
    return _right(counts).sum(axis=-1) / counts.sum(axis=(-2, -1))


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


# Of (..., K, K + 1) faces by true and predicted class, the last column for misses; a sample without
# a face, or a class that is not defined, may divide by 0, so call them under `np.errstate`.
SCORES: Mapping[str, Callable[[_Array], _Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
    "f1_weighted": _f1_weighted,
    "kappa": _kappa,
    "precision_macro": _precision_macro,
    "precision_weighted": _precision_weighted,
    "recall_macro": _balanced_accuracy,
    "recall_weighted": _accuracy,
}
