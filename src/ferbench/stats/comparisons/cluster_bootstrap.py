"""Bootstrap of a difference of accuracies that draws persons, not faces.

Source: Field and Welsh, "Bootstrapping clustered data", JRSS B 69(3), 2007 (whole clusters are
drawn); Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference with clustered
errors", Review of Economics and Statistics 90(3), 2008 (why the difference is divided by its
standard error in every draw); Davison and Hinkley, "Bootstrap Methods and their Application", 1997,
section 4.4 (p-value).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_effectsize

from ferbench.stats.result import CONFIDENCE, TestResult, differences, no_difference, undefined

__all__ = ["cluster_bootstrap"]

INPUT = "faces_mean"
POWER = "none"

_DRAWS = 4999  # p is a multiple of 1 / 5,000
_SEED = 0
_DECIMALS = 6  # of a person's sum; answers are shares of some seeds


def cluster_bootstrap(
    a: Sequence[float], b: Sequence[float], groups: Sequence[Hashable]
) -> TestResult:
    """Compare two accuracies on new persons; the effect size is Cohen's h.

    As many persons as there are are drawn with replacement, each with all faces, 4,999 times. Every
    draw gives t* = (d* - d) / s*, with the difference of accuracies d* and its standard error s*
    over the persons drawn. The statistic is t = d / s, p = (1 + #{|t*| >= |t|}) / 5,000, and the
    bounds are d +- q * s, with the 95 % quantile q of |t*|: p <= 0.05 where they leave 0 out.
    Dividing by s* holds the level with some dozens of persons, for which quantiles of d* are too
    narrow. Draws are the same for every pair of a table.

    Null hypothesis: on the population that the persons stand for, A and B are equally accurate.
    Paired are the answers to one face. Assumed: independent persons; faces of one person may depend
    on each other in any way. Answers are means over seeds, so the result is of these trained
    networks on new persons, not of new seeds. Faces on which A and B agree (ties) count in the
    denominator alone. With fewer than two persons, or where all persons differ by the same, there
    is no test; with fewer than ten it is rough. p cannot be below 0.0002, nor below it times the
    number of pairs after a correction. h = 2 * asin(sqrt(acc_b)) - 2 * asin(sqrt(acc_a)).

    Args:
        a: (n,) share of A's seeds that have the face right.
        b: (n,) the same of B.
        groups: (n,) the person, or the image where the person is not known.

    Forty faces of ten persons, of which B has those of four persons right and A has not: by faces,
    McNemar's p would be 0.00003.

    >>> a, b, persons = np.zeros(40), np.repeat([1, 0], [16, 24]), np.repeat(range(10), 4)
    >>> result = cluster_bootstrap(a, b, persons)
    >>> round(result.estimate, 2), round(result.statistic, 2), 0.02 < result.p_value < 0.1
    (0.4, 2.45, True)
    """
    d = differences(a, b)
    who, persons = pd.factorize(np.asarray(groups, dtype=object))
    estimate = float(d.mean()) if len(d) else math.nan
    if len(persons) < 2:
        return undefined(estimate, len(d))
    if not d.any():
        return no_difference(len(d))
    faces = np.bincount(who).astype(np.float64)
    # Thirds of faces add up to none or to whole ones but for what their decimals lack.
    total = np.round(np.bincount(who, weights=d), _DECIMALS)
    moments = np.stack([total, faces, total**2, total * faces, faces**2], axis=1)
    _, error = _mean_and_error(moments.sum(axis=0), len(persons))
    if error == 0:
        # A person whose faces cancel differs by nothing, as those do on whom all agree.
        return undefined(estimate, len(d)) if total.any() else no_difference(len(d))
    t = estimate / float(error)
    drawn = _drawn_t(moments, estimate)
    p = (1 + int((drawn >= abs(t) * (1 - 1e-9)).sum())) / (_DRAWS + 1)
    half = float(np.sort(drawn)[math.ceil(CONFIDENCE * (_DRAWS + 1)) - 1]) * float(error)
    low, high = max(estimate - half, -1.0), min(estimate + half, 1.0)
    effect = float(proportion_effectsize(np.mean(b), np.mean(a)))
    return TestResult(t, p, estimate, low, high, effect, len(d))


def _drawn_t(moments: NDArray[np.float64], estimate: float) -> NDArray[np.float64]:
    """|t*| of every draw; infinite where the persons drawn all differ by the same."""
    parts = np.array_split(_draws(len(moments)), 10)  # so that few are floats at a time
    sums = np.concatenate([part.astype(np.float64) @ moments for part in parts])
    mean, error = _mean_and_error(sums, len(moments))
    away = np.abs(mean - estimate)
    infinite = np.where(away > 10**-_DECIMALS, np.inf, 0.0)
    return np.divide(away, error, out=infinite, where=error > 0)


def _mean_and_error(
    sums: NDArray[np.float64], persons: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean difference a face, and its standard error by the linearised ratio.

    Args:
        sums: (..., 5) over persons of: difference, faces, and their squares and product.
        persons: how many there are.
    """
    total, faces, total2, both, faces2 = np.moveaxis(sums, -1, 0)
    mean = total / faces
    squares = total2 - 2 * mean * both + mean**2 * faces2
    # What is left of squares that cancel is no spread.
    squares = np.where(squares > 1e-9 * np.maximum(total2, 1e-9), squares, 0.0)
    return mean, np.sqrt(persons / (persons - 1) * squares) / faces


@functools.lru_cache(maxsize=2)
def _draws(persons: int) -> NDArray[np.uint8]:
    """(draws, persons) how often each person is drawn."""
    rng = np.random.default_rng(_SEED)
    rows = (rng.integers(persons, size=persons) for _ in range(_DRAWS))
    return np.stack([np.bincount(row, minlength=persons).astype(np.uint8) for row in rows])
