"""From probability rows to labels, counts and answers that are sure enough.

A row of zeros is a miss: a face that a detector gave no answer for. It is wrong whatever the truth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["MISS", "confusion", "predicted", "sure_enough", "unit_scores"]

MISS = -1


def predicted(prob: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) index of the likeliest class of each row of `prob` (N, C); `MISS` for a row of zeros.

    >>> predicted(np.array([[0.2, 0.8], [0.0, 0.0]])).tolist()
    [1, -1]
    """
    label = np.asarray(prob.argmax(axis=1), dtype=np.int64)
    label[~prob.any(axis=1)] = MISS
    return label


def confusion(prob: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """(C, C + 1) counts, a row a true class, a column a predicted one; the last column is misses.

    >>> confusion(np.array([[0.2, 0.8], [0.0, 0.0]]), np.array([1, 1])).tolist()
    [[0, 0, 0], [0, 1, 1]]
    """
    classes = prob.shape[1]
    counts = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(counts, (target, predicted(prob)), 1)  # MISS, being -1, is the last column
    return counts


def unit_scores(boxes: pd.DataFrame) -> dict[str, float]:
    """Score of the box that answers for each labelled face, by unit id.

    A unit is an image with one annotated face (its id is the image's), or one face of several
    (`<image_id>#<face>`). A face without an answering box is not in the result.
    """
    faces = boxes.loc[boxes["truth"]].groupby("image_id")["face"].nunique().to_dict()
    answers = boxes.loc[~boxes["truth"] & (boxes["face"] >= 0)]
    best = answers.groupby(["image_id", "face"], as_index=False)["score"].max()
    return {
        image if faces.get(image, 1) == 1 else f"{image}#{face}": score
        for image, face, score in best.itertuples(index=False)
    }


def sure_enough(
    predictions: pd.DataFrame, boxes: pd.DataFrame, threshold: float
) -> NDArray[np.bool_]:
    """(N,) whether each row of `predictions` has an answering box of at least `threshold`."""
    score = predictions["image_id"].map(unit_scores(boxes)).fillna(-np.inf)
    return np.asarray(score >= threshold, dtype=np.bool_)
