"""Verdicts on single printed values: does one printed number agree with our runs?

A paper prints one run on one test sample; we have several runs on another sample. The difference
d = ours - printed is compared with what two such numbers differ by when nothing is wrong: the
prediction interval of one new run on a new test sample, whose variance is

    S^2 (1 + 1 / n) + V_test(ours) + V_test(paper),

with the variance S^2 over our n seeds. Half a unit of the last printed digit is added to the half
width, since a printed number is rounded. The t quantile has the degrees of freedom of Welch and
Satterthwaite. A confidence interval of our mean, in contrast, would compare a mean with one run:
the more seeds, the more often it would reject a perfect replication.

Sources: Hahn and Meeker, "Statistical Intervals", Wiley 1991, section 4 (prediction intervals).
Welch, "The generalization of Student's problem when several different population variances are
involved", Biometrika 34, 1947. Kish, "Survey Sampling", Wiley 1965 (design effect).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from ferbench.stats.components import combined_error
from ferbench.stats.result import CONFIDENCE

__all__ = [
    "VERDICTS",
    "WIDEST",
    "SingleVerdict",
    "exact_verdict",
    "printed_test_variance",
    "single_value_verdict",
    "spread_verdict",
    "two_sample_verdict",
]

VERDICTS = ("reproduced", "not reproduced", "undecided", "not comparable", "not measured")
# A wider interval, in fractions to both sides, holds too much for "reproduced" to mean anything.
WIDEST = 0.03
_QUANTILE = (1 + CONFIDENCE) / 2


class SingleVerdict(NamedTuple):
    """A verdict, with the interval of ours minus printed that it rests on.

    Args:
        verdict: one of `VERDICTS`.
        low: lower bound; NaN where there is no interval.
        high: upper bound.
    """

    verdict: str
    low: float = math.nan
    high: float = math.nan


def single_value_verdict(
    printed: float,
    values: Sequence[float],
    v_test_ours: float,
    v_test_paper: float,
    half_unit: float,
    *,
    clusters: int = 0,
    test_share: float = 0.0,
) -> SingleVerdict:
    """Judge a printed score by the prediction interval of ours minus printed.

    One seed has no variance over seeds, and an unknown variance of the test faces is not 0: both
    leave the value undecided. No spread over seeds makes no interval of width 0, since the variance
    of the test faces remains.

    Args:
        printed: a fraction.
        values: ours, one a seed.
        v_test_ours: variance of our mean due to the test faces; NaN if it is not known.
        v_test_paper: that of the printed value; 0 if the paper tested on the same images.
        half_unit: half a unit of the last printed digit, as a fraction.
        clusters: of our test faces, from which `v_test_ours` was estimated; 0 counts it as known
            exactly.
        test_share: n_test / n_train where every seed drew its own split (Nadeau and Bengio, 2003);
            0 where all share one.

    Returns:
        `reproduced` if the interval holds 0 and reaches at most 3 points to either side, `not
        reproduced` if it excludes 0, `undecided` else, `not measured` without a defined value.

    >>> single_value_verdict(0.90, [0.895, 0.905, 0.900], 1e-5, 1e-5, 0.0005).verdict
    'reproduced'
    >>> single_value_verdict(0.95, [0.895, 0.905, 0.900], 1e-5, 1e-5, 0.0005).verdict
    'not reproduced'
    >>> single_value_verdict(0.90, [0.90], 1e-5, 1e-5, 0.0005).verdict
    'undecided'
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if n == 0 or np.isnan(x).any() or math.isnan(printed):
        return SingleVerdict("not measured")
    if n < 2:
        return SingleVerdict("undecided")
    unknown = math.isnan(v_test_ours) or math.isnan(v_test_paper)
    parts = [(float(x.var(ddof=1)) * (1 + 1 / n + test_share), float(n - 1))]
    if not unknown:
        parts += [(v_test_ours, clusters - 1 if clusters > 1 else math.inf)]
        parts += [(v_test_paper, math.inf)]
    half = _half_width(parts)
    difference = float(x.mean()) - printed
    found = _judged(difference, half + half_unit)
    # Without any variance, or without one of its parts, the interval is too narrow to judge by.
    return found._replace(verdict="undecided") if unknown or half == 0 else found


def two_sample_verdict(
    printed: float, std: float, runs: int, values: Sequence[float], half_unit: float
) -> SingleVerdict:
    """Judge a printed mean over runs by Welch's two-sample test from summary statistics.

    Args:
        printed: the paper's mean, a fraction.
        std: its sample standard deviation over the runs.
        runs: their number, at least 2.
        values: ours, one a seed.
        half_unit: half a unit of the printed mean's last digit, as a fraction.

    Returns:
        As `single_value_verdict`, with the test's interval of ours minus printed.

    Ten runs of the paper against five of ours:

    >>> ours = [0.84, 0.80, 0.86, 0.85, 0.83]
    >>> round(two_sample_verdict(0.768, 0.0826, 10, ours, 0.0005).low, 3)
    0.006
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0 or np.isnan(x).any() or math.isnan(printed):
        return SingleVerdict("not measured")
    if len(x) < 2:
        return SingleVerdict("undecided")
    parts = [(float(x.var(ddof=1)) / len(x), len(x) - 1.0), (std**2 / runs, runs - 1.0)]
    half = _half_width(parts)
    found = _judged(float(x.mean()) - printed, half + half_unit)
    return found._replace(verdict="undecided") if half == 0 else found


def spread_verdict(
    printed: float, runs: int | None, values: Sequence[float], half_unit: float
) -> SingleVerdict:
    """Judge a printed standard deviation over runs by Fisher's F test of two variances.

    Args:
        printed: the paper's sample standard deviation, a fraction.
        runs: its number of runs; None if the paper does not say, which leaves it undecided.
        values: ours, one a seed.
        half_unit: half a unit of the printed deviation's last digit.

    Returns:
        As `single_value_verdict`, with the interval that ours minus a second sample's deviation
        has, given the printed one: it holds 0 where the test does not reject equal variances.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0 or np.isnan(x).any() or math.isnan(printed):
        return SingleVerdict("not measured")
    if len(x) < 2 or runs is None or printed == 0:
        return SingleVerdict("undecided")
    std = float(x.std(ddof=1))
    least, most = stats.f.ppf([1 - _QUANTILE, _QUANTILE], len(x) - 1, runs - 1)
    # Both samples have one true variance if printed * sqrt(F) holds ours: at 5 % between these.
    low = std - printed * math.sqrt(most) - half_unit
    high = std - printed * math.sqrt(least) + half_unit
    if low > 0 or high < 0:
        return SingleVerdict("not reproduced", low, high)
    return SingleVerdict("reproduced" if high - low <= 2 * WIDEST else "undecided", low, high)


def exact_verdict(printed: float, ours: float, half_unit: float) -> SingleVerdict:
    """Judge a number without chance, such as a count: reproduced if ours rounds to it.

    Args:
        printed: as printed.
        ours: the same quantity.
        half_unit: half a unit of the last printed digit.

    >>> exact_verdict(2.5, 2.52, 0.05).verdict, exact_verdict(2.5, 2.6, 0.05).verdict
    ('reproduced', 'not reproduced')
    """
    if math.isnan(printed) or math.isnan(ours):
        return SingleVerdict("not measured")
    # A number in the middle rounds to either side, however its binary fraction falls.
    found = _judged(ours - printed, half_unit * (1 + 1e-9))
    same = found.low <= 0 <= found.high
    return found._replace(verdict="reproduced" if same else "not reproduced")


def printed_test_variance(
    printed: float, images: float, ours: float, v_test_ours: float, faces: int
) -> float:
    """The variance that a printed share has because its test images are a sample.

    p (1 - p) / m, times the design effect of our test faces: the factor by which their variance
    exceeds that of as many independent ones.

    Args:
        printed: p, a fraction.
        images: m, the paper's test images that the share is of.
        ours: our mean of the same score.
        v_test_ours: its variance due to the test faces; NaN if it is not known.
        faces: number of our test faces.

    Faces in clusters of three equal ones have a design effect of three:

    >>> round(printed_test_variance(0.9, 100, 0.8, 3 * 0.8 * 0.2 / 300, 300), 6) == 3 * 0.0009
    True
    """
    if images <= 0 or math.isnan(v_test_ours) or faces < 1:
        return math.nan
    independent = ours * (1 - ours) / faces
    effect = v_test_ours / independent if independent > 0 else 1.0
    return printed * (1 - printed) / images * effect


def _half_width(parts: Sequence[tuple[float, float]]) -> float:
    """Half of the interval of a sum of variances, each with its degrees of freedom."""
    error, df = combined_error(parts)
    return float(stats.t.ppf(_QUANTILE, df)) * error


def _judged(difference: float, half: float) -> SingleVerdict:
    low, high = difference - half, difference + half
    if low > 0 or high < 0:
        return SingleVerdict("not reproduced", low, high)
    return SingleVerdict("reproduced" if half <= WIDEST else "undecided", low, high)
