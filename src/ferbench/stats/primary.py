"""The primary interval: seeds and test faces are both samples, and both count.

For a score measured with n seeds on faces of C clusters (persons where they are known, else
sequences, else source images):

- `V_seed` = S^2 / n, with the variance S^2 over the seeds. Where every seed draws its own split,
  Nadeau and Bengio's S^2 (1 / n + n_test / n_train).
- `V_test` = the cluster-robust variance of the mean over faces of each face's mean outcome over
  seeds; of scores that are no means over faces, their variance over resampled clusters.

Both hold the part that belongs to pairs of seeds and clusters; `ferbench.stats.components` counts
it once. The t quantile has the degrees of freedom of Welch and Satterthwaite. Differences of two
variants are the same on paired differences, seed by seed and face by face. The interval of a
proportion is computed on the logit scale, which keeps it inside [0, 1] and fits its skew; of a
proportion that is 0 or 1 or has no spread, it is the exact binomial interval of the clusters. Where
`V_test` is not known, as in studies that were scored before `replicates.parquet` was written, the
interval is about seeds only (`PrimaryEstimate.seeds_only`).

How well it does, by `benchmarks/primary_interval.py` (3, 5, 10 seeds; 20, 60, 120 clusters of one
to seven faces; accuracies .6, .9, .98; 2,000 samples for each with a shared split, 1,000 with
redrawn ones, whose learner is nearest class means). Coverage of the 95 % interval and level of the
test of two equal variants at 5 %, lowest to highest of the nine cells of an accuracy:

    split    accuracy  coverage %   level %     if V_both were counted twice
    shared   .6        94.3 - 96.2  3.7 - 6.9   95.3 - 96.5, 3.1 - 6.2
    shared   .9        93.0 - 96.7  2.5 - 5.2   94.6 - 97.3, 2.2 - 4.1
    shared   .98       91.8 - 98.0  1.0 - 4.8   95.3 - 98.4, 0.5 - 2.7
    redrawn  .6        95.2 - 96.6  3.4 - 4.7   98.6 - 99.9, 0.2 - 1.4
    redrawn  .9        94.3 - 96.6  2.9 - 5.3   98.4 - 99.7, 0.5 - 1.3
    redrawn  .98       96.0 - 98.2  2.2 - 3.8   98.8 - 99.8, 0.2 - 1.0

Where it fails: at .98 with 20 clusters, about two errors in 80 faces, the interval covers 98 % with
few seeds and 92 % with ten, and the test rejects in 1 to 2 %; with ten seeds and 20 clusters
coverage is 92 to 93 % from .9 on. Three seeds with 120 clusters rejected in 6.9 % at .6. Tests are
a little strict (2 to 5 %) with redrawn splits, and where seeds differ by little but their
interaction with faces.

Sources: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52(3), 2003.
Others: `ferbench.stats.components`.
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
from ferbench.stats.components import (
    Components,
    error_of,
    replicate_components,
    variance_components,
)
from ferbench.stats.evidence import EvidencePart, by_seed, cluster_kind, clusters_of
from ferbench.stats.resampling import Replicates, replicates_of
from ferbench.stats.result import CONFIDENCE

__all__ = [
    "PrimaryEstimate",
    "bounds_of",
    "knows_test_variance",
    "paired",
    "primary_difference",
    "primary_interval",
    "primary_of_replicates",
    "primary_score",
]

_QUANTILE = (1 + CONFIDENCE) / 2
_CLASS = "recall:"  # `recall:fear` is the accuracy on the faces of fear
_NO_PROPORTIONS = ("brier", "kappa", "nll")  # metrics whose values may leave [0, 1]


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
        v_both: the part of `v_test` that belongs to pairs of seeds and clusters, which the variance
            over seeds holds too; 0 if `v_test` is not known.
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
    v_both: float = 0.0

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
    v_both: float = 0.0,
    faces: int = 0,
    test_share: float | None = None,
    bounds: tuple[float, float] | None = None,
) -> PrimaryEstimate:
    """The interval of a mean over seeds.

    Args:
        values: one a seed.
        v_test: variance of their mean due to the test faces; NaN if it is not known.
        clusters: of the test faces, from which `v_test` was estimated.
        v_both: the part of `v_test` that the variance over seeds holds too
            (`ferbench.stats.components`).
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
    if math.isnan(v_test):
        error, df = math.sqrt(v_seed), float(n - 1)
    else:
        error, df = map(float, error_of(x, v_test, v_both, clusters, test_share))
    low, high = _interval(mean, error, df, clusters, bounds)
    p = _p_value(mean, error, df)
    spread = math.sqrt(variance)
    both = 0.0 if math.isnan(v_test) or math.isnan(v_both) else v_both
    return PrimaryEstimate(
        mean, low, high, p, error, df, v_seed, v_test, spread, n, clusters, faces, v_both=both
    )


def _p_value(mean: float, error: float, df: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else math.nan
    return 2 * float(stats.t.sf(abs(mean) / error, df))


def _interval(
    mean: float, error: float, df: float, clusters: int, bounds: tuple[float, float] | None
) -> tuple[float, float]:
    if bounds is None:
        half = float(stats.t.ppf(_QUANTILE, df)) * error
        return mean - half, mean + half
    least, span = bounds[0], bounds[1] - bounds[0]
    low, high = bounds_of((mean - least) / span, error / span, df, clusters)
    return least + span * float(low), least + span * float(high)


def bounds_of(
    mean: ArrayLike, error: ArrayLike, df: ArrayLike, clusters: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of proportions, inside [0, 1].

    logit^-1(logit(p) -+ t * error / (p * (1 - p))); where the proportion is 0 or 1, or has no
    error, Clopper and Pearson's interval of the share of clusters, which count as independent.

    Args:
        mean: (...) proportions p.
        error: (...) their standard errors.
        df: (...) degrees of freedom.
        clusters: (...) numbers of clusters; 0 where they are not known.
    """
    p, deviation = np.asarray(mean, dtype=np.float64), np.asarray(error, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centre = np.log(p / (1 - p))
        reach = stats.t.ppf(_QUANTILE, df) * deviation / (p * (1 - p))
        low, high = 1 / (1 + np.exp(reach - centre)), 1 / (1 + np.exp(-reach - centre))
    count = np.asarray(clusters, dtype=np.float64)
    hits = np.round(p * count)
    least, most = (
        stats.beta.ppf(1 - _QUANTILE, hits, count - hits + 1),
        stats.beta.ppf(_QUANTILE, hits + 1, count - hits),
    )
    regular = (p > 0) & (p < 1) & (deviation > 0)
    least = np.where(regular, low, np.where(hits > 0, np.minimum(least, p), 0.0))
    most = np.where(regular, high, np.where(hits < count, np.maximum(most, p), 1.0))
    # Without clusters nothing but the range is known of a proportion without spread.
    bare = ~regular & (count < 1)
    return np.where(bare, 0.0, least), np.where(bare, 1.0, most)


def primary_score(part: EvidencePart, metric: str, variant: str) -> PrimaryEstimate | None:
    """A variant's mean score on test; None if it was not measured.

    Args:
        part: of the evidence.
        metric: of `results.csv`, or `recall:<emotion>`.
        variant: which.
    """
    bounds = None if metric in _NO_PROPORTIONS else (0.0, 1.0)
    outcomes = _outcomes(part, metric)
    if outcomes is not None and variant in outcomes:
        return _of_outcomes(part, outcomes[variant].dropna(), bounds)
    known = replicates_of(part, metric) if outcomes is None else None
    if known is not None and variant in known.values:
        return primary_of_replicates(part, known, known.values[[variant]], bounds=bounds)
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
    known = replicates_of(part, metric) if outcomes is None else None
    if known is not None and {a, b} <= set(known.values.columns.get_level_values(0)):
        return primary_of_replicates(part, known, paired(known, a, b))
    values = by_seed(part, metric)
    if not {a, b} <= set(values):
        return None
    pairs = values[[a, b]].dropna()
    return primary_interval((pairs[b] - pairs[a]).to_numpy(), math.nan, 0)


def knows_test_variance(part: EvidencePart, metric: str) -> bool:
    """Whether `v_test` of a metric is computed, so that its interval is about new faces too."""
    return (part.faces is not None and _is_mean(metric)) or replicates_of(part, metric) is not None


def _is_mean(metric: str) -> bool:
    return metric == "accuracy" or metric.startswith(_CLASS)


def _outcomes(part: EvidencePart, metric: str) -> pd.DataFrame | None:
    """(seeds and faces, variants): 1 where a face was classified correctly, else 0."""
    wide = part.outcomes if _is_mean(metric) else None
    if wide is None or part.faces is None or not metric.startswith(_CLASS):
        return wide
    of_class = part.faces["target"] == metric.removeprefix(_CLASS)
    faces = part.faces[of_class].set_index(["seed", *FACE_KEY]).index.unique()
    return wide.loc[wide.index.isin(faces)].dropna(axis="columns", how="all")


def _of_outcomes(
    part: EvidencePart, outcomes: pd.Series, bounds: tuple[float, float] | None
) -> PrimaryEstimate:
    if outcomes.empty:
        return primary_interval([], math.nan, 0)
    wide = outcomes.unstack(FACE_KEY)
    clusters = clusters_of(part).reindex(wide.columns).to_numpy()
    found = variance_components(wide.to_numpy(), clusters, redrawn=part.redrawn)
    return _of_components(part, found, wide.shape[1], bounds, cluster_kind(part))


def primary_of_replicates(
    part: EvidencePart,
    known: Replicates,
    values: pd.DataFrame,
    *,
    bounds: tuple[float, float] | None = None,
) -> PrimaryEstimate:
    """The interval of what was computed from replicates, such as a difference of differences.

    Args:
        part: of the evidence.
        known: the replicates, for the number and kind of their clusters.
        values: (1 + replicates, seeds) of a score, or of a difference.
        bounds: (0, 1) of a proportion; None of a difference.
    """
    table = values.dropna(axis="columns", how="all").to_numpy()
    if table.shape[1] == 0:
        return primary_interval([], math.nan, 0)
    found = replicate_components(table[0], table[1:], known.clusters, redrawn=part.redrawn)
    return _of_components(part, found, known.faces, bounds, known.cluster)


def paired(known: Replicates, a: str, b: str) -> pd.DataFrame:
    """(1 + replicates, seeds) B minus A over the seeds that both have."""
    of_a, of_b = known.values[a], known.values[b]
    seeds = of_a.columns.intersection(of_b.columns)
    return of_b[seeds] - of_a[seeds]


def _of_components(
    part: EvidencePart,
    found: Components,
    faces: int,
    bounds: tuple[float, float] | None,
    cluster: str,
) -> PrimaryEstimate:
    estimate = primary_interval(
        found.values,
        float(found.v_test),
        int(found.clusters),
        v_both=float(found.v_both),
        faces=faces,
        test_share=part.test_share if part.redrawn else None,
        bounds=bounds,
    )
    return estimate if estimate.seeds_only else replace(estimate, cluster=cluster)
