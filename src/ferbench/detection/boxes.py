"""A detector's decoded output as boxes: non-maximum suppression and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["MAX_BOXES", "Boxes", "kept_boxes"]

# Of an image. One face has at most one correct box a class; COCO's definition counts 100 a class.
MAX_BOXES = 300

MIN_SCORE = 0.001
NMS_IOU = 0.7
# Of places and classes above the least score, how many of an image are compared with one another:
# the best ones first, and four times as many as long as those are not enough.
_COMPARED = (1_024, 4_096, 16_384, 65_536)


@dataclass(frozen=True)
class Boxes:
    """What is left of one image after non-maximum suppression, best first.

    Args:
        xyxy: (M, 4), pixels of the network's input.
        score: (M,), of the class.
        cls: (M,), class index.
        prob: (M, K), scores of all classes at the same place.
        place: (M,), index among the A places that the network decodes.
    """

    xyxy: Tensor
    score: Tensor
    cls: Tensor
    prob: Tensor
    place: Tensor


def kept_boxes(decoded: Tensor, classes: int, max_boxes: int) -> list[Boxes]:
    """Non-maximum suppression of a batch, class by class, down to a score of 0.001.

    A place may be kept once for each class, as the COCO definition of mAP expects. The work grows
    with the square of the boxes that are compared, and an untrained network leaves tens of
    thousands on a large picture. Which boxes are kept depends on better ones alone; so where the
    best thousand already leave `max_boxes`, the others are not compared.

    Args:
        decoded: (N, 4 + K, A), cx cy w h in pixels and a score a class.
        classes: K.
        max_boxes: at most so many an image.
    """
    scores = decoded[:, 4 : 4 + classes]
    candidates = (scores > MIN_SCORE).flatten(1).sum(dim=1).tolist()
    kept = _suppressed(decoded, classes, max_boxes, _COMPARED[0])
    for before, compared in pairwise(_COMPARED):
        for i, (rows, _) in enumerate(kept):
            if candidates[i] > before and len(rows) < max_boxes:
                (kept[i],) = _suppressed(decoded[i : i + 1], classes, max_boxes, compared)
    return [
        Boxes(rows[:, :4], rows[:, 4], rows[:, 5].long(), scores[i].float().T[places], places)
        for i, (rows, places) in enumerate(kept)
    ]


def _suppressed(
    decoded: Tensor, classes: int, max_boxes: int, compared: int
) -> list[tuple[Tensor, Tensor]]:
    """Rows of x1 y1 x2 y2 score class, and the places they are from, of every image."""
    # The library suppresses by torchvision if some module has imported it, else by code of its own
    # that keeps other boxes of nearly equal overlap: validation and evaluation differed.
    import torchvision  # noqa: F401
    from ultralytics.utils.nms import non_max_suppression

    # The library gives up after a time limit and returns nothing for the rest of the batch: a
    # number that depended on the clock. A minute an image is never reached.
    kept, places = non_max_suppression(
        decoded.float(),
        MIN_SCORE,
        NMS_IOU,
        multi_label=True,
        max_det=max_boxes,
        nc=classes,
        max_nms=compared,
        max_time_img=60.0,
        return_idxs=True,
    )
    return [
        (rows, torch.as_tensor(place).view(-1).long())
        for rows, place in zip(kept, places, strict=True)
    ]
