"""P0's headline lies far above the ten rounds it tests, and the test is not of its attention.

Source: P0, "YOLO-OSAM", tables 1 and 3: accuracy on CK+ once, and as mean and deviation of ten
rounds, by an independent-samples t-test against the bare backbone.
Differs: nothing; the test is computed from the printed summary values.
"""

from __future__ import annotations

from math import sqrt

from scipy import stats

from ferbench.findings.result import Finding, judged

__all__ = ["p0_headline_is_a_best"]

_ROUNDS = 10
_BACKBONE = (76.8, 8.26)  # P0, table 3: mean and deviation of accuracy, per cent
_MODEL = (86.33, 6.84)
_T, _P = 2.81, 0.01
_HEADLINE = 98.1  # P0, table 1


def p0_headline_is_a_best() -> Finding:
    """The t-test from its summary values, and where the headline lies among ten rounds."""
    pair = (*_MODEL, _ROUNDS, *_BACKBONE, _ROUNDS)
    pooled, welch = (stats.ttest_ind_from_stats(*pair, equal_var=same) for same in (True, False))
    mean, deviation = _MODEL
    high = stats.t.interval(0.95, _ROUNDS - 1, mean, deviation / sqrt(_ROUNDS))[1]
    apart = (_HEADLINE - mean) / deviation
    best = _expected_best(_ROUNDS)
    return judged(
        "p0_headline_is_a_best",
        "P0, tables 1 and 3",
        "The printed test follows from its summary values, but the headline accuracy is no mean of "
        "such rounds.",
        measured={
            "t, pooled": float(pooled.statistic),
            "p, pooled": float(pooled.pvalue),
            "p, Welch": float(welch.pvalue),
            "ten rounds: mean, %": mean,
            "ten rounds: upper end of the 95 % interval of the mean, %": float(high),
            "headline, %": _HEADLINE,
            "headline above the mean, deviations of a round": apart,
            "expected best of ten normal rounds, deviations": best,
        },
        checks={
            "t is as printed": round(float(pooled.statistic), 2) == _T,
            "p is as printed": round(float(pooled.pvalue), 2) == _P,
            "the headline is above the interval of the mean": high < _HEADLINE,
            "it is at least as far above as the best of ten rounds is expected": apart >= best,
        },
        verdict=f"t = {pooled.statistic:.3f}, p = {pooled.pvalue:.4f}; the headline of "
        f"{_HEADLINE} % is {apart:.1f} deviations above the mean of the ten rounds, where the best "
        f"of ten is expected {best:.1f} above, and the test sets the whole model against a bare "
        "backbone, not against itself without the attention.",
        ours="Means over seeds with an interval; every variant beside its control.",
    )


def _expected_best(rounds: int) -> float:
    """Mean of the largest of so many standard normal draws."""
    best = stats.norm.expect(lambda x: rounds * x * stats.norm.cdf(x) ** (rounds - 1))
    return float(best)
