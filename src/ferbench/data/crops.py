"""Crops: a face out of its picture, and ten views of a face.

The ten: four corners and the middle, and the same of the mirror image.

Source: P1, section IV.A, after Khaireddin & Chen, arXiv:2105.03588: all ten are samples in
training, and in prediction their logits are averaged.
Differs: nothing.
"""

from __future__ import annotations

from typing import Any

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from ferbench.errors import InputError

__all__ = ["face_of", "split_at_crop", "ten_crops"]


def ten_crops(image: NDArray[Any], px: int) -> list[NDArray[Any]]:
    """Crops of side `px`: corners from top left to bottom right, middle, then those of the mirror.

    Args:
        image: (H, W, C), no side below `px`.
        px: side of a crop.
    """
    height, width = image.shape[:2]
    bottom, right = height - px, width - px
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    views = []
    for picture in (image, image[:, ::-1]):
        views += [np.ascontiguousarray(picture[y : y + px, x : x + px]) for y, x in places]
    return views


def split_at_crop(
    plan: list[A.BasicTransform], name: str
) -> tuple[list[A.BasicTransform], A.Compose]:
    """An augmentation's transforms before its random crop, and those after it.

    Args:
        plan: transforms of one training image.
        name: of the augmentation, for the message.

    Raises:
        InputError: there is not one random crop in it.
    """
    places = [i for i, transform in enumerate(plan) if isinstance(transform, A.RandomCrop)]
    if len(places) != 1:
        raise InputError(
            f"augmentation {name!r} has no one random crop that ten crops could stand for",
            where="params.yaml: recipes: crops",
            remedy="take crops: 1, or an augmentation that crops, such as p1",
        )
    return plan[: places[0]], A.Compose(plan[places[0] + 1 :])


def face_of(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The part of an image in a box (cx, cy, w, h as fractions), at least one pixel each way."""
    height, width = image.shape[:2]
    cx, cy, w, h = box * (width, height, width, height)
    x0 = min(max(round(cx - w / 2), 0), width - 1)
    y0 = min(max(round(cy - h / 2), 0), height - 1)
    x1 = max(min(round(cx + w / 2), width), x0 + 1)
    y1 = max(min(round(cy + h / 2), height), y0 + 1)
    return np.ascontiguousarray(image[y0:y1, x0:x1])
