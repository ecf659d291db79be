"""Holm's correction for many tests.

Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6(2), 1979.
Differs: nothing. It is written out because statsmodels' `multipletests`, which gives the same
values, collects garbage at every call: a quarter of a second in a large process.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Corrected p-values: rejecting those <= alpha keeps the family-wise error rate at alpha.

    No assumption about how the tests depend on each other. A NaN stands for a test that was not
    possible: it stays NaN and does not count as a test.

    >>> [round(float(p), 2) for p in holm([0.01, 0.04, float("nan"), 0.03])]
    [0.03, 0.06, nan, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full_like(p, np.nan)
    (tested,) = np.nonzero(~np.isnan(p))
    ranked = tested[np.argsort(p[tested])]
    # The smallest p is multiplied by the number of tests, the next by one less, and so on.
    times = np.arange(len(ranked), 0, -1)
    corrected[ranked] = np.minimum(np.maximum.accumulate(p[ranked] * times), 1)
    return corrected
