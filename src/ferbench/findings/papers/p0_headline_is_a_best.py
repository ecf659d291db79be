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
_CLAIM = (
    "The printed test follows from its summary values, but the headline accuracy is no mean of "
    "such rounds."
)


def p0_headline_is_a_best() -> Finding:
    """The t-test from its summary values, and where the headline lies among ten rounds."""
    mean, deviation = _MODEL
    (t, p), (_, p_welch) = (_test(equal_var=same) for same in (True, False))
    high = float(stats.t.interval(0.95, _ROUNDS - 1, mean, deviation / sqrt(_ROUNDS))[1])
    apart, best = (_HEADLINE - mean) / deviation, _expected_best(_ROUNDS)
    return judged(
        "p0_headline_is_a_best",
        "P0, tables 1 and 3",
        _CLAIM,
        measured={
            "t, pooled": t,
            "p, pooled": p,
            "p, Welch": p_welch,
            "ten rounds: upper end of the 95 % interval of the mean, %": high,
            "headline, %": _HEADLINE,
            "headline above the mean, deviations of a round": apart,
            "expected best of ten normal rounds, deviations": best,
        },
        checks={
            "t and p are as printed": (round(t, 2), round(p, 2)) == (_T, _P),
            "the headline is above the interval of the mean": high < _HEADLINE,
            "it is at least as far above as the best of ten rounds is expected": apart >= best,
        },
        verdict=f"t = {t:.3f}, p = {p:.4f}; the headline is {apart:.1f} deviations above the mean, "
        f"the best of ten is expected {best:.1f} above; and the model is tested against a bare "
        "backbone, not against itself without the attention.",
        ours="Means over seeds with an interval; every variant beside its control.",
    )


def _test(*, equal_var: bool) -> tuple[float, float]:
    """Statistic and p-value from the printed means, deviations and rounds."""
    pair = (*_MODEL, _ROUNDS, *_BACKBONE, _ROUNDS)
    found = stats.ttest_ind_from_stats(*pair, equal_var=equal_var)
    return float(found.statistic), float(found.pvalue)


def _expected_best(rounds: int) -> float:
    """Mean of the largest of so many standard normal draws."""
    best = stats.norm.expect(lambda x: rounds * x * stats.norm.cdf(x) ** (rounds - 1))
    return float(best)
