"""Average precision of boxes on resampled images, all replicates at once.

The definition is that of `ferbench.detection.metrics.average_precision`. Matching is done once,
since no image's matches depend on another image; a replicate only counts an image as often as it
drew the image's cluster. With the weight w_i of each box's image and the boxes of a class by
falling score, precision and recall at box j are

    P_j = sum_{i <= j} w_i [i correct] / sum_{i <= j} w_i,
    R_j = sum_{i <= j} w_i [i correct] / sum over faces of the class of w,

which is what copies of the images, each beside its original, would give. Interpolation reads the
greatest precision from a recall on, so only correct boxes need be looked at: between two of them
precision falls and recall stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from faster_coco_eval.core import mask
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["OVERLAPS", "resampled_average_precision"]

# IoU thresholds of the COCO definition, and its recalls, greatest threshold and number of boxes.
OVERLAPS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_ALL_OF_IT = 1 - 1e-10
_MOST_BOXES = 100

_Array = NDArray[np.float64]


def resampled_average_precision(
    boxes: pd.DataFrame, classes: Sequence[str], cluster: NDArray[np.int64], weights: _Array
) -> _Array:
    """Average precision of every class at the IoU thresholds `OVERLAPS`, in every replicate.

    Args:
        boxes: N rows of `boxes.parquet`, annotated and predicted.
        classes: all K classes.
        cluster: (N,) number of the cluster of each box's image.
        weights: (B, C) how often each replicate holds each cluster.

    Returns:
        (B, T, K) fractions; NaN where a replicate has no annotated box of the class.
    """
    rows = boxes.assign(
        cluster=cluster,
        place=boxes.groupby(["image_id", "picture"]).ngroup(),
        width=boxes["right"] - boxes["left"],
        height=boxes["bottom"] - boxes["top"],
    )
    is_truth = rows["truth"].to_numpy(bool)
    truth, predicted = rows[is_truth], _ranked(rows[~is_truth])
    found = np.full((len(weights), len(OVERLAPS), len(classes)), np.nan)
    for number, name in enumerate(classes):
        faces = truth[truth["emotion"] == name]
        own = predicted[predicted["emotion"] == name]
        held = weights @ np.bincount(faces["cluster"], minlength=weights.shape[1])
        if len(faces):
            correct = _correct(own, faces)
            found[..., number] = _interpolated(correct, own["cluster"].to_numpy(), held, weights)
    return found


def _ranked(predicted: pd.DataFrame) -> pd.DataFrame:
    """At most 100 boxes of a picture and class, by falling score; equal ones by picture."""
    within = predicted.sort_values("score", ascending=False, kind="stable")
    kept = within[within.groupby(["place", "emotion"]).cumcount() < _MOST_BOXES]
    by_place = kept.sort_values("place", kind="stable")
    return by_place.sort_values("score", ascending=False, kind="stable")


def _correct(predicted: pd.DataFrame, faces: pd.DataFrame) -> NDArray[np.bool_]:
    """(T, M) which boxes of one class, by falling score, find a face of it at each threshold."""
    correct = np.zeros((len(OVERLAPS), len(predicted)), dtype=bool)
    boxes, of_box = _by_place(predicted)
    truth, of_face = _by_place(faces)
    for place, near in of_face.items():
        if rows := of_box.get(place):
            iou = mask.iou(boxes[rows], truth[near], [0] * len(near))
            correct[:, rows] = _greedy(np.asarray(iou))
    return correct


def _by_place(boxes: pd.DataFrame) -> tuple[_Array, dict[int, list[int]]]:
    """(N, 4) left, top, width and height, and the rows of each picture."""
    rows: dict[int, list[int]] = {}
    for row, place in enumerate(boxes["place"].tolist()):
        rows.setdefault(place, []).append(row)
    return boxes[["left", "top", "width", "height"]].to_numpy(float), rows


def _greedy(iou: _Array) -> NDArray[np.bool_]:
    """(T, M) boxes that get a face: by falling score each takes the free one it overlaps most.

    Args:
        iou: (M, F) of the boxes of a picture, by falling score, with its faces.
    """
    least, faces = np.minimum(OVERLAPS, _ALL_OF_IT), iou.shape[1]
    found = np.zeros((len(least), len(iou)), dtype=bool)
    free = np.ones((len(least), faces), dtype=bool)
    each = np.arange(len(least))
    for box in np.flatnonzero(iou.max(axis=1) >= least[0]):
        near = np.where(free, iou[box], -1.0)
        best = faces - 1 - near[:, ::-1].argmax(axis=1)  # of equal ones the last, as COCO's code
        hit = near[each, best] >= least
        found[hit, box] = True
        free[each[hit], best[hit]] = False
    return found


def _interpolated(
    correct: NDArray[np.bool_], cluster: NDArray[np.int64], held: _Array, weights: _Array
) -> _Array:
    """(B, T) average precision of one class.

    Args:
        correct: (T, M) by falling score.
        cluster: (M,) of the boxes.
        held: (B,) annotated boxes of the class in each replicate.
        weights: (B, C).
    """
    marks = np.flatnonzero(correct.any(axis=0))
    values = np.zeros((len(weights), len(correct)))
    if len(marks):
        # Boxes between two marks are counted with the second one.
        last = int(marks[-1]) + 1
        step = np.searchsorted(marks, np.arange(last))
        shape = (len(marks), weights.shape[1])
        between = sparse.csr_matrix((np.ones(last), (step, cluster[:last])), shape=shape)
        total = np.cumsum(between @ weights.T, axis=0)
        own = weights[:, cluster[marks]].T
        for number, hits in enumerate(correct[:, marks]):
            values[:, number] = _area(np.cumsum(own * hits[:, None], axis=0), total, held)
    values[held == 0] = np.nan
    return values


def _area(found: _Array, total: _Array, held: _Array) -> _Array:
    """(B,) mean over 101 recalls of the greatest precision from that recall on.

    Args:
        found: (P, B) correct boxes so far.
        total: (P, B) boxes so far.
        held: (B,) annotated boxes.
    """
    precision = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = np.divide(found, held, out=np.zeros_like(found), where=held > 0)
    reached = np.searchsorted(_RECALLS, recall, side="right")
    new = np.diff(reached, axis=0, prepend=0)
    area: _Array = (best * new).sum(axis=0) / len(_RECALLS)
    return area
