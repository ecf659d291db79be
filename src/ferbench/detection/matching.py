"""What counts as a correct detection.

Two questions are asked of a detector's boxes, and each has one rule.

**What does each face show?** Accuracy and all metrics of class probabilities. An annotated face
gets at most one box, whose scores are the prediction for it (`assign_faces`):

- in an image with one face it is the box with the highest score, wherever it is, so that the number
  can be compared with a classifier's, which is given the face;
- in an image with several faces boxes choose by falling score: each takes the free face that it
  overlaps most, by an IoU of at least `MIN_IOU`.

A face without a box, or whose box scores below `score.score_threshold` of params.yaml, is a miss,
and a miss is wrong. A prediction is correct if its most probable class is the face's label.

**Where are faces, and what do they show?** Metrics of boxes. A box is correct if it overlaps a face
of its own class by an IoU of at least `MIN_IOU`; a face counts for one box (`one_to_one`), and
further boxes on it are wrong. Average precision asks the same at IoU 0.5 to 0.95 by the COCO code
(`ferbench.detection.metrics`). Two metrics of boxes leave the class aside: the confusion of boxes
matches boxes that score at least `CONFUSION_SCORE` by an IoU of at least `CONFUSION_IOU`, the
values of the YOLO libraries; and `face_detection` counts faces that any box finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import CORNERS

__all__ = [
    "CONFUSION_IOU",
    "CONFUSION_SCORE",
    "MIN_IOU",
    "Match",
    "assign_faces",
    "match_scene",
    "one_to_one",
    "overlaps",
    "pairs_of",
]

MIN_IOU = 0.5
CONFUSION_SCORE, CONFUSION_IOU = 0.25, 0.45


@dataclass(frozen=True)
class Match:
    """The predicted boxes of one image beside its annotated faces.

    Args:
        faces: corners of the annotated faces, (F, 4).
        iou: overlap of each box with each face, (M, F).
        chosen: the face that each box is the prediction for, -1 for none, (M,).
    """

    faces: NDArray[np.float64]
    iou: NDArray[np.float64]
    chosen: NDArray[np.int64]


def match_scene(
    score: NDArray[np.float64], corners: NDArray[np.float64], faces: NDArray[np.float64]
) -> Match:
    """Match the boxes of one image with its faces.

    Args:
        score: of each box, (M,).
        corners: of each box, fractions of the image, (M, 4).
        faces: boxes of the annotated faces as cx, cy, w, h, fractions of the image, (F, 4).
    """
    centre, size = np.hsplit(faces, 2)
    truth = np.concatenate((centre - size / 2, centre + size / 2), axis=1)
    iou = overlaps(corners[:, None], truth[None])
    return Match(truth, iou, assign_faces(score, iou))


def assign_faces(score: NDArray[np.float64], iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """The face that each box is the prediction for, -1 for none: (M,).

    Args:
        score: (M,).
        iou: (M, F), overlap of each box with each face.
    """
    chosen = np.full(len(score), -1, dtype=np.int64)
    if iou.shape[1] == 1:
        chosen[np.argsort(-score, kind="stable")[:1]] = 0
        return chosen
    box, face = np.nonzero(iou >= MIN_IOU)
    near = {"box": box, "face": face, "iou": iou[box, face], "score": score[box]}
    taken = one_to_one(pd.DataFrame(near))
    chosen[taken["box"]] = taken["face"]
    return chosen


def pairs_of(predicted: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """All pairs of a predicted and an annotated box of one picture that overlap.

    Args:
        predicted: predicted rows of `boxes.parquet`.
        truth: annotated ones.

    Returns:
        box and face, index labels of `predicted` and of `truth`; their iou; the box's score.
    """
    place = ["image_id", "picture"]
    left = predicted[[*place, *CORNERS, "score"]].rename_axis("box").reset_index()
    right = truth[[*place, *CORNERS]].rename_axis("face").reset_index()
    both = left.merge(right, on=place, suffixes=("", "_face"))
    faces = both[[f"{corner}_face" for corner in CORNERS]].to_numpy(float)
    both["iou"] = overlaps(both[CORNERS].to_numpy(float), faces)
    return both.loc[both["iou"] > 0, ["box", "face", "iou", "score"]]


def one_to_one(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs in which each box, by falling score, takes the free face that it overlaps most.

    Args:
        pairs: as `pairs_of` gives them; a pair that is not there cannot be taken.
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


def overlaps(boxes: NDArray[np.float64], faces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (..., 4) and faces (..., 4), corners, broadcast: (...).

    Equal to `torchvision.ops.box_iou` to the bit, without the import of torch, and 0 instead of NaN
    for two boxes without area.
    """
    low = np.maximum(boxes[..., :2], faces[..., :2])
    high = np.minimum(boxes[..., 2:], faces[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    either = _area(boxes) + _area(faces) - both
    share: NDArray[np.float64] = both / np.maximum(either, np.finfo(float).tiny)
    return share


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    area: NDArray[np.float64] = np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1)
    return area
