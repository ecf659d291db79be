"""Whether a network is right as often as it says: confidence against accuracy, in bins.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
section 2: bins of equal width over the probability of the answer.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.evaluation.labels import predicted

__all__ = ["BINS", "reliability"]

BINS = 15


def reliability(prob: NDArray[np.float64], target: NDArray[np.int64]) -> pd.DataFrame:
    """The bins that hold faces: bin, low, high, count, confidence, accuracy.

    Bin b, from 0, holds confidences in (b / 15, (b + 1) / 15], the first one also 0. `confidence`
    and `accuracy` are means over its faces. A miss is wrong with confidence 0.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.92, 0.08], [0.0, 0.0]])
    >>> reliability(prob, np.array([0, 1, 1]))[["bin", "count", "confidence", "accuracy"]]
       bin  count  confidence  accuracy
    0    0      1        0.00       0.0
    1   13      2        0.91       0.5
    """
    edges = np.linspace(0, 1, BINS + 1)
    confidence = prob.max(axis=1)
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    faces = pd.DataFrame(
        {"bin": number, "confidence": confidence, "accuracy": predicted(prob) == target}
    ).astype({"accuracy": float})
    grouped = faces.groupby("bin")
    table = grouped.mean().reset_index()
    table.insert(1, "low", edges[table["bin"]])
    table.insert(2, "high", edges[table["bin"] + 1])
    table.insert(3, "count", grouped.size().to_numpy())
    return table
