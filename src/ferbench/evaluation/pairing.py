"""Predicted boxes beside the annotated boxes that they overlap, over many images at once.

`ferbench.evaluation.matching` says which box answers for a face when a network is run; here stored
boxes are judged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["one_to_one", "pairs_of"]

_CORNERS = ["left", "top", "right", "bottom"]


def pairs_of(said: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """All pairs of a predicted and an annotated box of one image that overlap.

    Args:
        said: predicted rows of `boxes.parquet`.
        truth: annotated ones.

    Returns:
        box and face, index labels of `said` and of `truth`; their intersection over union, iou; the
        box's score.
    """
    left = said[["image_id", *_CORNERS, "score"]].rename_axis("box").reset_index()
    right = truth[["image_id", *_CORNERS]].rename_axis("face").reset_index()
    both = left.merge(right, on="image_id", suffixes=("", "_face"))
    boxes = both[_CORNERS].to_numpy(float)
    faces = both[[f"{corner}_face" for corner in _CORNERS]].to_numpy(float)
    both["iou"] = _overlap(boxes, faces)
    return both.loc[both["iou"] > 0, ["box", "face", "iou", "score"]]


def one_to_one(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs in which each box, by falling score, takes the free face that it overlaps most.

    Args:
        pairs: as `pairs_of` gives them; what is not there cannot be taken.
    """
    keys = (-pairs["iou"].to_numpy(), pairs["box"].to_numpy(), -pairs["score"].to_numpy())
    ordered = pairs.iloc[np.lexsort(keys)]
    boxes: set[int] = set()
    faces: set[int] = set()
    taken = np.zeros(len(ordered), dtype=bool)
    for row, (box, face) in enumerate(zip(ordered["box"], ordered["face"], strict=True)):
        if box not in boxes and face not in faces:
            boxes.add(box)
            faces.add(face)
            taken[row] = True
    return ordered[taken]


def _overlap(boxes: NDArray[np.float64], faces: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,) intersection over union of P pairs of boxes (P, 4), corners."""
    low, high = np.maximum(boxes[:, :2], faces[:, :2]), np.minimum(boxes[:, 2:], faces[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    either = _area(boxes) + _area(faces) - both
    share: NDArray[np.float64] = both / np.maximum(either, np.finfo(float).tiny)
    return share


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return sides.prod(axis=1)
