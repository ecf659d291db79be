"""The primary interval: seeds and test faces are both samples, and both count.

For a score that is a mean over faces, measured with n seeds on faces of C clusters:

- `V_seed` = S^2 / n, with the variance S^2 over the seeds. Where every seed draws its own split,
  Nadeau and Bengio's S^2 (1 / n + n_test / n_train).
- `V_test` = the cluster-robust variance of the mean over faces of each face's mean outcome over
  seeds. Clusters are persons where they are known, else the source images.

The standard error is sqrt(V_seed + V_test); its t quantile has the degrees of freedom of Welch and
Satterthwaite. Differences of two variants are the same on paired differences, seed by seed and face
by face. An interval of a proportion that would leave [0, 1] is computed on the logit scale; of a
proportion that is 0 or 1 without any spread, from the exact binomial interval of the clusters.

Sources: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52(3), 2003.
Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
Bulletin 2(6), 1946. Liang and Zeger, "Longitudinal data analysis using generalized linear models",
Biometrika 73(1), 1986 (cluster-robust variance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ferbench.artifacts.predictions import FACE_KEY
from ferbench.stats.evidence import EvidencePart, by_seed, cluster_kind, clusters_of
from ferbench.stats.result import CONFIDENCE

__all__ = [
    "PrimaryEstimate",
    "cluster_variance",
    "knows_test_variance",
    "primary_difference",
    "primary_interval",
    "primary_score",
]

_QUANTILE = (1 + CONFIDENCE) / 2
_CLASS = "recall:"  # `recall:fear` is the accuracy on the faces of fear


@dataclass(frozen=True)
class PrimaryEstimate:
    """A mean over seeds, or a mean difference, with its primary interval.

    Args:
        estimate: the mean.
        low: lower bound of the 95 % interval; NaN with one seed.
        high: upper bound.
        p_value: two-sided, of the null hypothesis that the true value is 0; of interest for
            differences only. NaN with one seed.
        error: standard error.
        df: degrees of freedom of the t quantile.
        v_seed: variance of the mean due to the seeds.
        v_test: variance of the mean due to the test faces; NaN if it is not known, and then not
            part of the error.
        spread: standard deviation over seeds.
        seeds: number of seeds, for a difference of those that both variants have.
        clusters: number of clusters of test faces.
        faces: number of different test faces.
        cluster: what the clusters are: `person`, `sequence`, `image`, `mixed`; empty where `v_test`
            is not known.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    error: float
    df: float
    v_seed: float
    v_test: float
    spread: float
    seeds: int
    clusters: int
    faces: int
    cluster: str = ""

    @property
    def seeds_only(self) -> bool:
        """Whether the interval leaves out the test faces, whose variance is not known."""
        return math.isnan(self.v_test)

    def quantile(self, level: float = CONFIDENCE) -> float:
        """The t quantile of a two-sided interval."""
        return float(stats.t.ppf((1 + level) / 2, self.df)) if self.df > 0 else math.nan


def primary_interval(
    values: Sequence[float] | NDArray[np.float64],
    v_test: float,
    clusters: int,
    *,
    faces: int = 0,
    test_share: float | None = None,
    bounds: tuple[float, float] | None = None,
) -> PrimaryEstimate:
    """The interval of a mean over seeds.

    Args:
        values: one a seed.
        v_test: variance of their mean due to the test faces; NaN if it is not known.
        clusters: of the test faces, from which `v_test` was estimated.
        faces: number of test faces.
        test_share: n_test / n_train where every seed drew its own split; None where all share one.
        bounds: (0, 1) of a proportion, which the interval does not leave; None of a difference.
    """
    x = np.asarray(values, dtype=np.float64)
    n, mean = len(x), float(x.mean()) if len(x) else math.nan
    if n < 2:
        nothing = (math.nan,) * 6
        return PrimaryEstimate(mean, *nothing, v_test, math.nan, n, clusters, faces)
    variance = float(x.var(ddof=1))
    v_seed = variance * (1 / n + (test_share or 0.0))
    parts = [(v_seed, n - 1)]
    if not math.isnan(v_test):
        parts.append((v_test, clusters - 1))
    error, df = _welch_satterthwaite(parts)
    low, high = _bounds(mean, error, df, clusters, bounds)
    p = _p_value(mean, error, df)
    spread = math.sqrt(variance)
    return PrimaryEstimate(
        mean, low, high, p, error, df, v_seed, v_test, spread, n, clusters, faces
    )


def _welch_satterthwaite(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Standard error and degrees of freedom of a sum of variances with theirs."""
    total = sum(variance for variance, _ in parts)
    below = sum(variance**2 / df for variance, df in parts if df > 0)
    least = min((df for _, df in parts), default=0)
    return math.sqrt(total), total**2 / below if below > 0 else float(least)


def _p_value(mean: float, error: float, df: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else math.nan
    return 2 * float(stats.t.sf(abs(mean) / error, df))


def _bounds(
    mean: float, error: float, df: float, clusters: int, bounds: tuple[float, float] | None
) -> tuple[float, float]:
    half = float(stats.t.ppf(_QUANTILE, df)) * error
    low, high = mean - half, mean + half
    if bounds is None or (bounds[0] < low and high < bounds[1] and error > 0):
        return low, high
    least, span = bounds[0], bounds[1] - bounds[0]
    share = (mean - least) / span
    if not 0 < share < 1 or error == 0:
        low, high = _exact(share, clusters)
    else:
        centre, reach = math.log(share / (1 - share)), half / span / (share * (1 - share))
        low, high = (1 / (1 + math.exp(-min(x, 700.0))) for x in (centre - reach, centre + reach))
    return least + span * low, least + span * high


def _exact(share: float, clusters: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of clusters, which all count as independent."""
    if clusters < 1:
        return 0.0, 1.0
    found = stats.binomtest(round(share * clusters), clusters).proportion_ci(CONFIDENCE)
    return min(float(found.low), share), max(float(found.high), share)


def cluster_variance(values: ArrayLike, clusters: ArrayLike) -> tuple[float, int]:
    """Variance of a mean whose values are correlated within clusters, and the number of clusters.

    sum over clusters of (sum of residuals)^2 / N^2 * C / (C - 1).

    Args:
        values: (N,).
        clusters: (N,) the cluster of each value.

    Returns:
        NaN with fewer than two clusters.

    Without clusters of several values it is the usual variance of a mean:

    >>> cluster_variance([0.0, 0.0, 1.0, 1.0], [0, 1, 2, 3])
    (0.08333333333333333, 4)
    >>> cluster_variance([0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1])
    (0.25, 2)
    """
    x = pd.Series(np.asarray(values, dtype=np.float64))
    sums = (x - x.mean()).groupby(np.asarray(clusters)).sum().to_numpy()
    count = len(sums)
    if count < 2:
        return math.nan, count
    return float((sums**2).sum() / len(x) ** 2 * count / (count - 1)), count


def primary_score(part: EvidencePart, metric: str, variant: str) -> PrimaryEstimate | None:
    """A variant's mean score on test; None if it was not measured.

    Args:
        part: of the evidence.
        metric: of `results.csv`, or `recall:<emotion>`.
        variant: which.
    """
    outcomes = _outcomes(part, metric)
    if outcomes is not None and variant in outcomes:
        return _of_outcomes(part, outcomes[variant].dropna(), bounds=(0.0, 1.0))
    values = by_seed(part, metric)
    if variant not in values:
        return None
    return primary_interval(values[variant].dropna().to_numpy(), math.nan, 0)


def primary_difference(part: EvidencePart, metric: str, a: str, b: str) -> PrimaryEstimate | None:
    """B minus A in the mean over the seeds that both have; None if one was not measured.

    Args:
        part: of the evidence.
        metric: of `results.csv`, or `recall:<emotion>`.
        a: a variant.
        b: another one.
    """
    outcomes = _outcomes(part, metric)
    if outcomes is not None and {a, b} <= set(outcomes):
        both = outcomes[[a, b]].dropna()
        return _of_outcomes(part, both[b] - both[a], bounds=None)
    values = by_seed(part, metric)
    if not {a, b} <= set(values):
        return None
    pairs = values[[a, b]].dropna()
    return primary_interval((pairs[b] - pairs[a]).to_numpy(), math.nan, 0)


def knows_test_variance(part: EvidencePart, metric: str) -> bool:
    """Whether `v_test` of a metric is computed, so that its interval is about new faces too."""
    return part.faces is not None and (metric == "accuracy" or metric.startswith(_CLASS))


def _outcomes(part: EvidencePart, metric: str) -> pd.DataFrame | None:
    """(seeds and faces, variants): 1 where a face was classified correctly, else 0."""
    wide = part.outcomes if knows_test_variance(part, metric) else None
    if wide is None or part.faces is None or not metric.startswith(_CLASS):
        return wide
    of_class = part.faces["target"] == metric.removeprefix(_CLASS)
    faces = part.faces[of_class].set_index(["seed", *FACE_KEY]).index.unique()
    return wide.loc[wide.index.isin(faces)].dropna(axis="columns", how="all")


def _of_outcomes(
    part: EvidencePart, outcomes: pd.Series, bounds: tuple[float, float] | None
) -> PrimaryEstimate:
    values = outcomes.groupby("seed").mean().to_numpy()
    of_face = outcomes.groupby(FACE_KEY).mean()
    clusters = clusters_of(part).reindex(of_face.index).to_numpy()
    v_test, count = cluster_variance(of_face.to_numpy(), clusters)
    share = part.test_share if part.redrawn else None
    found = primary_interval(
        values, v_test, count, faces=len(of_face), test_share=share, bounds=bounds
    )
    return replace(found, cluster=cluster_kind(part))
