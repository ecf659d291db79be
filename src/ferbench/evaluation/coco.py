"""Average precision of boxes in the COCO definition, by faster-coco-eval.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code:
greedy matching by score, 101-point interpolation, at most 100 boxes of an image and class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

__all__ = ["average_precision"]


def average_precision(
    boxes: pd.DataFrame, classes: Sequence[str], overlaps: Sequence[float]
) -> NDArray[np.float64]:
    """Average precision of every class at every IoU threshold.

    Args:
        boxes: rows of `boxes.parquet`, annotated and predicted.
        classes: all classes.
        overlaps: thresholds of IoU from which a box counts as found.

    Returns:
        (T, K) fractions; NaN for a class without an annotated box.
    """
    truth, answers = boxes.loc[boxes["truth"]], boxes.loc[~boxes["truth"]]
    if truth.empty or answers.empty:
        nothing = np.where(np.isin(classes, truth["emotion"]), 0.0, np.nan)
        return np.tile(nothing, (len(overlaps), 1))
    images = {name: number for number, name in enumerate(sorted(boxes["image_id"].unique()), 1)}
    annotated = COCO(_annotations(truth, images, classes))
    detections = np.column_stack(
        [_places(answers, images), answers["score"], _numbers(answers, classes)]
    )  # (N, 7), the columns that loadRes expects
    evaluation = COCOeval_faster(annotated, annotated.loadRes(detections), iouType="bbox")
    evaluation.params.iouThrs = np.asarray(overlaps)
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0.0, 1e10]], ["all"]
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"]  # (IoU, recall, class, area, boxes); -1 without truth
    mean: NDArray[np.float64] = precision[..., 0, 0].mean(axis=1)
    return np.where(mean > -1, mean, np.nan)


def _places(boxes: pd.DataFrame, images: dict[str, int]) -> NDArray[np.float64]:
    """(N, 5) image number, left, top, width, height."""
    width, height = boxes["right"] - boxes["left"], boxes["bottom"] - boxes["top"]
    number = boxes["image_id"].map(images)
    return np.column_stack([number, boxes["left"], boxes["top"], width, height]).astype(np.float64)


def _numbers(boxes: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    """(N,) number of each box's class, from 1."""
    numbers = {name: number for number, name in enumerate(classes, 1)}
    return np.asarray(boxes["emotion"].map(numbers), dtype=np.int64)


def _annotations(
    truth: pd.DataFrame, images: dict[str, int], classes: Sequence[str]
) -> dict[str, Any]:
    """The annotated boxes as a COCO tree."""
    rows = zip(_places(truth, images), _numbers(truth, classes), strict=True)
    return {
        "images": [{"id": number} for number in images.values()],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": int(box[0]),
                "category_id": int(category),
                "bbox": box[1:].tolist(),
                "area": float(box[3] * box[4]),
                "iscrowd": 0,
            }
            for number, (box, category) in enumerate(rows, 1)
        ],
    }
