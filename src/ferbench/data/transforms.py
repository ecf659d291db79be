"""Geometry of training samples: faces cut out, ten crops of a face, mosaics of four scenes.

Ten crops: four corners and the middle, and the same of the mirror image.

Source: P1, section IV.A, after Khaireddin & Chen, arXiv:2105.03588: all ten are samples in
training, and in prediction their logits are averaged.
Differs: nothing.

Mosaic: four training scenes around one point of a canvas of twice the input's side.

Source: Bochkovskiy et al., "YOLOv4", arXiv:2004.10934, section 3.3; geometry of the trainer of
Ultralytics YOLOv5 and its successors: the point is drawn from the middle half of the canvas, each
scene keeps its aspect ratio, touches the point with a corner and is cut at the canvas's border.
The augmentation that follows scales the canvas about its centre and crops the input from it.
Differs: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray

from ferbench.config.params import Recipe
from ferbench.data.draws import Key, Purpose, generator
from ferbench.errors import InputError

__all__ = [
    "PAD_VALUE",
    "face_of",
    "five_places",
    "four_in_one",
    "mosaic_partners",
    "split_at_crop",
    "ten_crops",
]

PAD_VALUE = 114  # grey of the YOLO trainers
_SCENES = 4

Scene = dict[str, Any]


def face_of(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The part of an image in a box (cx, cy, w, h as fractions), at least one pixel each way."""
    height, width = image.shape[:2]
    cx, cy, w, h = box * (width, height, width, height)
    x0 = min(max(round(cx - w / 2), 0), width - 1)
    y0 = min(max(round(cy - h / 2), 0), height - 1)
    x1 = max(min(round(cx + w / 2), width), x0 + 1)
    y1 = max(min(round(cy + h / 2), height), y0 + 1)
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def ten_crops(image: NDArray[Any], px: int) -> list[NDArray[Any]]:
    """Crops of side `px`: corners from top left to bottom right, middle, then those of the mirror.

    Args:
        image: (H, W, C), no side below `px`.
        px: side of a crop.
    """
    places = five_places(image.shape[0], image.shape[1], px)
    views = []
    for picture in (image, image[:, ::-1]):
        views += [np.ascontiguousarray(picture[y : y + px, x : x + px]) for y, x in places]
    return views


def five_places(height: int, width: int, px: int) -> list[tuple[int, int]]:
    """Upper left corners (y, x) of an image's crops: four corners and the middle."""
    bottom, right = height - px, width - px
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]


def split_at_crop(
    plan: list[A.BasicTransform], name: str
) -> tuple[list[A.BasicTransform], A.Compose]:
    """An augmentation's transforms before its random crop, and those after it.

    Args:
        plan: transforms of one training image.
        name: of the augmentation, for the message.

    Raises:
        InputError: it has no random crop, or several.
    """
    places = [i for i, transform in enumerate(plan) if isinstance(transform, A.RandomCrop)]
    if len(places) != 1:
        raise InputError(
            f"augmentation {name!r} has {len(places)} random crops, ten crops replace exactly one",
            where="params.yaml: recipes: crops",
            remedy="set crops: 1, or choose an augmentation that crops, such as p1",
        )
    return plan[: places[0]], A.Compose(plan[places[0] + 1 :])


def mosaic_partners(key: Key, seed: int, scenes: int, recipe: Recipe) -> list[int]:
    """Indices of the three scenes that join a training scene; none if it is shown alone.

    Args:
        key: epoch and scene; a negative epoch means no augmentation.
        seed: of the run.
        scenes: number of training scenes.
        recipe: gives the share of mosaics and the number of last epochs without.
    """
    epoch, index = key
    if epoch < 0 or epoch >= recipe.epochs - recipe.plain_epochs or recipe.mosaic == 0:
        return []
    rng = generator(Purpose.MOSAIC, seed, epoch, index, 1)
    if rng.random() >= recipe.mosaic:
        return []
    return [int(i) for i in rng.integers(scenes, size=_SCENES - 1)]


def four_in_one(scenes: Sequence[Scene], px: int, seed: int, key: Key) -> Scene:
    """A mosaic of four scenes on a canvas of side 2 `px`.

    Args:
        scenes: four; each has `image` (H, W, C), `bboxes` (M, 4) as cx cy w h fractions, and `cls`
            (M,). The first is placed top left, the others follow row by row.
        px: length of each scene's longer side on the canvas.
        seed: of the run.
        key: epoch and index of the first scene; the common corner is drawn from it and the seed.

    Returns:
        A scene of the same form. Boxes are clipped to the canvas; those outside it are left out.
    """
    rng = generator(Purpose.MOSAIC, seed, *key, 2)
    x, y = (int(value) for value in rng.uniform(0.5 * px, 1.5 * px, size=2))
    side = 2 * px
    canvas = np.full((side, side, scenes[0]["image"].shape[2]), PAD_VALUE, dtype=np.uint8)
    corners = []
    for place, scene in enumerate(scenes):
        image = _at_side(scene["image"], px)
        height, width = image.shape[:2]
        left = x - width if place % 2 == 0 else x
        top = y - height if place < _SCENES // 2 else y
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width, side), min(top + height, side)
        canvas[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]
        centre, size = np.hsplit(np.asarray(scene["bboxes"], np.float64).reshape(-1, 4), 2)
        box = np.hstack([centre - size / 2, centre + size / 2]) * [width, height, width, height]
        corners.append(box + np.tile([left, top], 2))
    near, far = np.hsplit(np.concatenate(corners).clip(0, side), 2)
    seen = (far > near).all(axis=1)
    boxes = np.hstack([(near + far) / 2, far - near])[seen] / side
    classes = np.concatenate([np.asarray(scene["cls"]) for scene in scenes])
    return {"image": canvas, "bboxes": boxes, "cls": classes[seen]}


def _at_side(image: NDArray[np.uint8], px: int) -> NDArray[np.uint8]:
    """An image (H, W, C) scaled so that its longer side is `px`."""
    height, width = image.shape[:2]
    scale = px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return image
    scaled: NDArray[np.uint8] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return scaled.reshape(size[1], size[0], -1)  # OpenCV drops a single channel
