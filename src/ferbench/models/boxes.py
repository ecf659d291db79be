"""A detector's decoded output as boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Boxes", "kept_boxes"]

SCORE_FLOOR = 0.001
NMS_IOU = 0.7


@dataclass(frozen=True)
class Boxes:
    """What is left of one image after non-maximum suppression, best first.

    Args:
        xyxy: (M, 4), pixels of the network's input.
        score: (M,), of the class.
        cls: (M,), class index.
        prob: (M, K), scores of all classes at the same place.
    """

    xyxy: Tensor
    score: Tensor
    cls: Tensor
    prob: Tensor


def kept_boxes(decoded: Tensor, classes: int, max_boxes: int) -> list[Boxes]:
    """Non-maximum suppression of a batch, class by class, down to a score of 0.001.

    A place may be kept once for each class, as the COCO definition of mAP expects.

    Args:
        decoded: (N, 4 + K, A), cx cy w h in pixels and a score a class.
        classes: K.
        max_boxes: at most so many an image.
    """
    from ultralytics.utils.nms import non_max_suppression

    # The library gives up after a time limit and returns nothing for the rest of the batch: a
    # number that depended on the clock. A minute an image is never reached.
    kept, places = non_max_suppression(
        decoded.float(),
        SCORE_FLOOR,
        NMS_IOU,
        multi_label=True,
        max_det=max_boxes,
        nc=classes,
        max_time_img=60.0,
        return_idxs=True,
    )
    return [
        Boxes(
            xyxy=rows[:, :4],
            score=rows[:, 4],
            cls=rows[:, 5].long(),
            prob=decoded[i, 4 : 4 + classes].float().T[torch.as_tensor(place).view(-1).long()],
        )
        for i, (rows, place) in enumerate(zip(kept, places, strict=True))
    ]
