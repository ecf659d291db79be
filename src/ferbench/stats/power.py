"""The least difference that a test would find with the values at hand.

Formulas by the word that a test gives as its `POWER`. Power is 80 %, the convention of Cohen,
"Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988, chapter 2; the level
is that of one test before any correction.
"""

from __future__ import annotations

import math

from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

__all__ = ["POWER", "detectable"]

POWER = 0.8


def detectable(kind: str, n: int, spread: float, alpha: float) -> float:
    """The true difference that a two-sided test finds in 80 % of cases.

    - `two_samples`: t-test of n seeds a side; `spread` is the standard deviation within a side.
    - `pairs`: t-test of n differences; `spread` is their standard deviation.
    - `discordant`: McNemar's test on n faces; `spread` is the square root of the share of faces
      that one side alone has right. Source: Connor, "Sample size for testing differences in
      proportions for the paired-sample design", Biometrics 43(1), 1987, solved for the difference.
      Faces count as independent, so several of a person make it too hopeful.

    Computed by statsmodels but for the last.

    Args:
        kind: the test's `POWER`.
        n: values a side, pairs or faces.
        spread: as above, in the unit of the values.
        alpha: level of significance.

    Returns:
        NaN with fewer than two seeds or pairs, or where even faces that all favour one side would
        not do.

    Three seeds that deviate by one point tell 3.1 points apart, ten seeds 1.3:

    >>> [round(detectable("two_samples", n, 0.01, 0.05), 4) for n in (3, 10)]
    [0.0307, 0.0132]

    On 3,589 faces, of which one side alone has 20 % right:

    >>> round(detectable("discordant", 3589, 0.2**0.5, 0.05), 4)
    0.0209
    """
    if kind == "discordant":
        return _discordant(n, spread**2, alpha)
    if n < 2 or math.isnan(spread):
        return math.nan
    if kind == "two_samples":
        return spread * float(TTestIndPower().solve_power(nobs1=n, alpha=alpha, power=POWER))
    if kind == "pairs":
        return spread * float(TTestPower().solve_power(nobs=n, alpha=alpha, power=POWER))
    raise ValueError(f"no formula {kind!r}")


def _discordant(n: int, share: float, alpha: float) -> float:
    """The positive root of sqrt(n) x = z_a sqrt(share) + z_b sqrt(share - x^2)."""
    z_a, z_b = float(stats.norm.ppf(1 - alpha / 2)), float(stats.norm.ppf(POWER))
    rest = n + z_b**2 - z_a**2
    if math.isnan(share) or rest < 0:
        return math.nan
    x = math.sqrt(share) * (math.sqrt(n) * z_a + z_b * math.sqrt(rest)) / (n + z_b**2)
    return x if x <= share else math.nan
