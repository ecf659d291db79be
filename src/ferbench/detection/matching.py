"""Which annotated face a predicted box answers for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Match", "answers", "match_scene", "one_to_one", "overlaps", "pairs_of"]

MIN_IOU = 0.5


@dataclass(frozen=True)
class Match:
    """The predicted boxes of one image beside its annotated faces.

    Args:
        faces: corners of the annotated faces, (F, 4).
        iou: overlap of each box with each face, (M, F).
        chosen: the face that each box answers for, -1 for none, (M,).
    """

    faces: NDArray[np.float64]
    iou: NDArray[np.float64]
    chosen: NDArray[np.int64]


def match_scene(
    score: NDArray[np.float64], corners: NDArray[np.float64], faces: pd.DataFrame
) -> Match:
    """Match the boxes of one image with its faces.

    Args:
        score: of each box, (M,).
        corners: of each box, fractions of the image, (M, 4).
        faces: of the image, with the columns cx, cy, w and h, fractions of the image.
    """
    centre, size = faces[["cx", "cy"]].to_numpy(), faces[["w", "h"]].to_numpy()
    truth = np.concatenate((centre - size / 2, centre + size / 2), axis=1)
    iou = overlaps(corners, truth)
    return Match(truth, iou, answers(score, iou))


def overlaps(boxes: NDArray[np.float64], faces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box (M, 4) with every face (F, 4), corners: (M, F)."""
    low = np.maximum(boxes[:, None, :2], faces[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], faces[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    either = _area(boxes)[:, None] + _area(faces)[None, :] - both
    return both / np.maximum(either, np.finfo(float).tiny)


def answers(score: NDArray[np.float64], iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """The face that each box answers for, -1 for none: (M,).

    In an image with one face the box with the highest score answers, wherever it is, for the
    question is what the image shows. With several faces, boxes choose in the order of their score,
    each the free face it overlaps most, by at least a half.

    Args:
        score: (M,).
        iou: (M, F), overlap of each box with each face.
    """
    chosen = np.full(len(score), -1, dtype=np.int64)
    order = np.argsort(-score, kind="stable")
    if iou.shape[1] == 1:
        chosen[order[:1]] = 0
        return chosen
    free = np.ones(iou.shape[1], dtype=bool)
    for box in order:
        candidates = np.where(free, iou[box], -1.0)
        if candidates.size and candidates.max() >= MIN_IOU:
            chosen[box] = candidates.argmax()
            free[chosen[box]] = False
    return chosen


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return sides.prod(axis=1)


# MERGED from ferbench.detection.matching:
# Predicted boxes beside the annotated boxes that they overlap, over many images at once.
#
# `ferbench.detection.matching` says which box answers for a face when a network is run; here stored
# boxes are judged.


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
    either = _area_pairing(boxes) + _area_pairing(faces) - both
    share: NDArray[np.float64] = both / np.maximum(either, np.finfo(float).tiny)
    return share


def _area_pairing(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides: NDArray[np.float64] = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return sides.prod(axis=1)
