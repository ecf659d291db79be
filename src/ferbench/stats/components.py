"""Components of the variance of a mean over seeds and faces, and the error that they add up to.

`V_seed` = S^2 / n and `V_test`, the cluster-robust variance, both hold `V_both`: what is random in
a pair of a seed and a cluster of faces. Where all seeds share the test faces that is the
interaction of seeds and clusters, found as in a two-way analysis of variance; where every seed
draws its own, it is the whole of the sampling of test clusters, found within each seed. It is
counted once:

    V = V_test + max(V_seed - V_both, 0) * (1 + n * n_test / n_train if splits are redrawn)

The factor is Nadeau and Bengio's, for training sets that overlap; it stands at the seeds' own part
alone, since `V_test` counts a cluster that several seeds draw with all its covariances already.

Sources: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52(3), 2003.
Liang and Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73(1),
1986 (cluster-robust variance). Cameron, Gelbach and Miller, "Robust inference with multiway
clustering", Journal of Business and Economic Statistics 29(2), 2011 (why the overlap of two
clusterings is subtracted). Satterthwaite, "An approximate distribution of estimates of variance
components", Biometrics Bulletin 2(6), 1946.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Components",
    "combined_error",
    "error_of",
    "replicate_components",
    "variance_components",
]

_Array = NDArray[np.float64]


class Components(NamedTuple):
    """Of one sample, or of many of the same shape, along the axes `...`.

    Args:
        values: (..., n) mean outcome of every seed.
        v_test: (...) variance of their mean due to the test faces; NaN of fewer than two clusters.
        v_both: (...) the part of it that `S^2 / n` holds too; NaN with one seed.
        clusters: (...) number of clusters with a test face.
    """

    values: _Array
    v_test: _Array
    v_both: _Array
    clusters: _Array


def variance_components(
    outcomes: ArrayLike, clusters: ArrayLike, *, redrawn: bool = False
) -> Components:
    """Components of the variance of the mean over seeds of each seed's mean outcome.

    Args:
        outcomes: (..., n, N) by seed and face; NaN where a face is not in a seed's test part.
        clusters: (N,) the cluster of each face.
        redrawn: whether every seed drew its own split.
    """
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    y = np.asarray(outcomes, dtype=np.float64)[..., order]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    here = ~np.isnan(y)
    n, number = y.shape[-2], here.sum(axis=-1, keepdims=True)
    filled = np.where(here, y, 0.0)
    values = filled.sum(axis=-1, keepdims=True) / number
    # Sums over a cluster's faces of each outcome's share in the mean.
    sums = np.add.reduceat(filled, starts, axis=-1)
    faces = np.add.reduceat(here.astype(np.float64), starts, axis=-1)
    mean = values.mean(axis=-2, keepdims=True)
    whole, own = ((sums - faces * m) / (n * number) for m in (mean, values))
    met = (faces > 0).any(axis=-2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        v_test = (whole.sum(axis=-2) ** 2).sum(axis=-1) * met / np.where(met > 1, met - 1, np.nan)
        if redrawn:
            count = (faces > 0).sum(axis=-1)
            factor = count / np.where(count > 1, count - 1, np.nan)
            v_both = ((own**2).sum(axis=-1) * factor).sum(axis=-1)
        else:
            rest = own - own.mean(axis=-2, keepdims=True)
            factor = met / np.where(met > 1, met - 1, np.nan) * n / (n - 1 if n > 1 else np.nan)
            v_both = (rest**2).sum(axis=(-2, -1)) * factor
    return Components(values[..., 0], v_test, v_both, met)


def replicate_components(
    values: ArrayLike, replicates: ArrayLike, clusters: int, *, redrawn: bool = False
) -> Components:
    """The same of any score, from its values on resampled clusters.

    Variances of the bootstrap are multiplied by C / (C - 1), since it draws from C clusters.

    Args:
        values: (n,) score of every seed.
        replicates: (B, n) the same on resampled clusters; rows with NaN are left out.
        clusters: number of clusters C.
        redrawn: whether every seed drew its own split.
    """
    x, drawn = np.asarray(values, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    n, nothing = len(x), np.asarray(np.nan)
    if clusters < 2 or len(drawn) < 2:
        return Components(x, nothing, nothing, np.asarray(clusters))
    factor = clusters / (clusters - 1)
    v_test = np.asarray(drawn.mean(axis=1).var(ddof=1) * factor)
    if not redrawn:
        drawn = drawn - drawn.mean(axis=1, keepdims=True)
        factor *= n / (n - 1) if n > 1 else np.nan
    v_both = np.asarray(drawn.var(axis=0, ddof=1).sum() / n**2 * factor)
    return Components(x, v_test, v_both, np.asarray(clusters))


def combined_error(
    parts: Iterable[tuple[float, float]], otherwise: float = math.inf
) -> tuple[float, float]:
    """Standard error of a sum of independent variances, and its degrees of freedom.

    By Welch and Satterthwaite: the squared sum over the sum of variance^2 / df.

    Args:
        parts: a variance and its degrees of freedom each; one with none, or with infinitely many,
            counts as known exactly.
        otherwise: the degrees of freedom where every variance is 0 or known exactly.

    Student's test of two samples of five with equal variances:

    >>> error, df = combined_error([(0.5, 4), (0.5, 4)])
    >>> error, df
    (1.0, 8.0)
    """
    known = list(parts)
    total = sum(variance for variance, _ in known)
    below = sum(variance**2 / df for variance, df in known if df > 0)
    return math.sqrt(total), total**2 / below if below > 0 else otherwise


def error_of(
    values: ArrayLike,
    v_test: ArrayLike,
    v_both: ArrayLike,
    clusters: ArrayLike,
    test_share: float | None = None,
) -> tuple[Any, Any]:
    """Standard error of the mean over seeds, and its degrees of freedom by Satterthwaite.

    Where the seeds spread less than `V_both` alone would make them, `V_test` is left. With a shared
    split the degrees of freedom are V^2 / (V_seed^2 / (n - 1) + V_test^2 / (C - 1)) even then: with
    those of V_test alone, three seeds that differ a lot would reject in 8 % (simulated). They are
    never fewer than those of the seeds, or of the clusters if there are fewer: S^2 and V_both vary
    together, so that their difference is better known than two independent terms would be.

    Args:
        values: (..., n), n above 1.
        v_test: (...).
        v_both: (...).
        clusters: (...) above 1.
        test_share: n_test / n_train where every seed drew its own split; None where all share one.

    Returns:
        Two arrays (...).
    """
    x, test, both = (np.asarray(v, dtype=np.float64) for v in (values, v_test, v_both))
    n, df_test = x.shape[-1], np.asarray(clusters) - 1
    factor = 1 + n * (test_share or 0.0)
    seed = x.var(axis=-1, ddof=1) / n
    own = factor * np.maximum(seed - both, 0.0)
    total = test + own
    with np.errstate(divide="ignore", invalid="ignore"):
        below = test**2 / df_test
        if test_share is None:
            below = below + seed**2 / (n - 1)
        else:
            of_seeds = factor**2 * (seed**2 / (n - 1) + both**2 / ((n - 1) * df_test))
            below = below + np.where(own > 0, of_seeds, 0.0)
        least = np.minimum(n - 1, df_test)
        df = np.where(below > 0, np.maximum(total**2 / below, least), least)
    return np.sqrt(total), df
