"""Ranks of variants within blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ferbench.stats.pairing import DECIMALS

__all__ = ["mean_ranks", "within_blocks"]


def within_blocks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, k) rank of every variant in its block; 1 is the best, ties share their mean rank.

    Args:
        scores: (N, k) larger is better; what agrees to 9 decimals is a tie.
    """
    return stats.rankdata(-np.round(scores, DECIMALS), axis=1)


def mean_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k,) mean rank of every variant.

    >>> mean_ranks(np.array([[0.9, 0.8, 0.7], [0.9, 0.9, 0.5]])).tolist()
    [1.25, 1.75, 3.0]
    """
    return within_blocks(scores).mean(axis=0)
