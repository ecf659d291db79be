"""The primary test: of a difference against the doubt from seeds and from test faces together."""

from __future__ import annotations

import math

from ferbench.stats.evidence import EvidencePart
from ferbench.stats.primary import primary_difference
from ferbench.stats.result import TestResult, pair_test, undefined

__all__ = ["primary"]


@pair_test("evidence", power="primary")
def primary(part: EvidencePart, metric: str, a: str, b: str) -> TestResult:
    """t-test of a mean difference over seeds and faces; the effect size is Cohen's d_z over seeds.

    The difference divided by the standard error of `ferbench.stats.primary`, with its degrees of
    freedom: p <= 0.05 where the primary interval of the difference excludes 0. Its statistic is
    that t, its n the number of seeds that both variants have.

    Null hypothesis: with new seeds and new test faces of the same kind, A and B score the same on
    average. Pairs are the results of one seed and the predictions for one face. Assumptions:
    independent seeds and clusters of faces, about normal means of them. Where a metric's variance
    over test faces is not known, seeds alone count, and the test is `paired_t`. A difference of 0
    without any spread has p = 1, another one without spread p = NaN.

    Args:
        part: of the evidence.
        metric: of `results.csv`.
        a: a variant.
        b: another one.
    """
    found = primary_difference(part, metric, a, b)
    if found is None or found.seeds < 2:
        return undefined(*(math.nan, 0) if found is None else (found.estimate, found.seeds))
    t = found.estimate / found.error if found.error > 0 else math.nan
    effect = found.estimate / found.spread if found.spread > 0 else math.nan
    if found.estimate == 0:
        t = effect = 0.0
    return TestResult(t, found.p_value, found.estimate, found.low, found.high, effect, found.seeds)
