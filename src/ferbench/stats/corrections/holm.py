"""Holm's correction for many tests.

Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6(2), 1979. Computed by statsmodels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Corrected p-values, such that rejecting those <= alpha errs at all with chance alpha at most.

    Nothing is assumed of how the tests depend on one another. A NaN stands for a test that was not
    made: it stays NaN and does not count among the tests.

    >>> [round(float(p), 2) for p in holm([0.01, 0.04, float("nan"), 0.03])]
    [0.03, 0.06, nan, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    corrected = np.full_like(p, np.nan)
    made = ~np.isnan(p)
    if made.any():
        corrected[made] = multipletests(p[made], method="holm")[1]
    return corrected
