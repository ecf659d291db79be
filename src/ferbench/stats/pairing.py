"""Differences of paired values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECIMALS", "differences"]

# Scores are shares of at least some faces: what differs by less differs by rounding alone. Without
# it 0.72 - 0.70 and 0.73 - 0.71 would be no tie.
DECIMALS = 9


def differences(a: Sequence[float], b: Sequence[float]) -> NDArray[np.float64]:
    """(n,) value of B minus value of A, pair by pair, to 9 decimals.

    Raises:
        ValueError: A and B have not the same number of values.

    >>> differences([0.70, 0.71], [0.72, 0.73]).tolist()
    [0.02, 0.02]
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"{len(x)} values of A cannot be paired with {len(y)} of B")
    # + 0.0 makes the negative zero that rounding may leave a plain one.
    return np.round(y - x, DECIMALS) + 0.0
