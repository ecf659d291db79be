"""Crops: a face out of its picture, and ten views of a face.

The ten: four corners and the middle, and the same of the mirror image.

Source: P1, section IV.A, after Khaireddin & Chen, arXiv:2105.03588: all ten are samples in
training, and in prediction their logits are averaged.
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
    "four_in_one",
    "mosaic_partners",
    "split_at_crop",
    "ten_crops",
    "yolo_transforms",
]


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


# MERGED from ferbench.data.transforms:
# Mosaics: four training scenes around one point of a canvas of twice the input's side.
#
# Source: Bochkovskiy et al., "YOLOv4", arXiv:2004.10934, section 3.3; geometry of the trainer of
# Ultralytics YOLOv5 and its successors: the point is drawn from the middle half of the canvas, each
# scene keeps its aspect ratio, touches the point with a corner and is cut at the canvas's border.
# The augmentation that follows scales the canvas about its centre and crops the input from it.
# Differs: nothing.


PAD_VALUE = 114  # grey of the YOLO trainers
_SCENES = 4

Scene = dict[str, Any]


def mosaic_partners(key: Key, seed: int, scenes: int, recipe: Recipe) -> list[int]:
    """Indices of the three scenes that join a training scene; none if it is shown alone.

    Args:
        key: epoch and scene; a negative epoch means no augmentation.
        seed: of the run.
        scenes: number of training scenes.
        recipe: gives the share of mosaics and the last epochs that are without.
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
    canvas = np.full((2 * px, 2 * px, scenes[0]["image"].shape[2]), PAD_VALUE, dtype=np.uint8)
    corners, classes = [], []
    for place, scene in enumerate(scenes):
        image = _at_side(scene["image"], px)
        height, width = image.shape[:2]
        left = x - width if place % 2 == 0 else x
        top = y - height if place < _SCENES // 2 else y
        _paste(canvas, image, left, top)
        corners.append(_corners(scene["bboxes"], width, height) + np.tile([left, top], 2))
        classes.append(np.asarray(scene["cls"]))
    return _clipped(canvas, np.concatenate(corners), np.concatenate(classes))


def _at_side(image: NDArray[np.uint8], px: int) -> NDArray[np.uint8]:
    """An image (H, W, C) scaled so that its longer side is `px`."""
    height, width = image.shape[:2]
    scale = px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return image
    scaled: NDArray[np.uint8] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return scaled.reshape(size[1], size[0], -1)  # OpenCV drops a single channel


def _paste(canvas: NDArray[np.uint8], image: NDArray[np.uint8], left: int, top: int) -> None:
    """Copy the part of an image that lies on the canvas."""
    side, (height, width) = len(canvas), image.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, side), min(top + height, side)
    canvas[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]


def _corners(boxes: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Boxes (M, 4), cx cy w h fractions of an image, as corners in its pixels."""
    centre, size = np.hsplit(np.asarray(boxes, np.float64).reshape(-1, 4), 2)
    return np.hstack([centre - size / 2, centre + size / 2]) * [width, height, width, height]


def _clipped(
    canvas: NDArray[np.uint8], corners: NDArray[np.float64], classes: NDArray[Any]
) -> Scene:
    """A scene of a canvas and boxes (M, 4) in its pixels, which are clipped to it."""
    side = len(canvas)
    near, far = np.hsplit(corners.clip(0, side), 2)
    seen = (far > near).all(axis=1)
    boxes = np.hstack([(near + far) / 2, far - near])[seen] / side
    return {"image": canvas, "bboxes": boxes, "cls": classes[seen]}


# MERGED from ferbench.data.transforms:
# What the trainers of YOLOv5 and YOLOv6 do to a scene after mosaic.
#
# Source: hyper-parameters of YOLOv5 v7 (P0's released code) and of YOLOv6 v3.0: one scale factor from
# 1 - gain to 1 + gain, translation by up to 0.1 of the input on each axis, horizontal flip with
# probability 0.5, hue 0.015, saturation 0.7, value 0.4.
# Differs: saturation blends a pixel with its grey value and value multiplies all channels, where both
# trainers scale them in HSV; on grey images the two are the same.


def yolo_transforms(recipe: Recipe, canvas_px: int, degrees: float = 0.0) -> list[A.BasicTransform]:
    """Transforms of one prepared training scene.

    Args:
        recipe: gives the scale gain and the side of the network's input.
        canvas_px: side of the prepared image: the input's, or twice that for a mosaic.
        degrees: rotation by up to so many degrees, either way.
    """
    # The shift is a fraction of the input, albumentations takes one of the canvas.
    shift = 0.1 * recipe.input_px / canvas_px
    return [
        A.Affine(
            scale=(1 - recipe.scale_gain, 1 + recipe.scale_gain),
            keep_ratio=True,
            translate_percent=(-shift, shift),
            rotate=(-degrees, degrees),
            fill=114,
            p=1.0,
        ),
        A.CenterCrop(recipe.input_px, recipe.input_px),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(
            brightness=(0.6, 1.4),
            contrast=(1.0, 1.0),
            saturation=(0.3, 1.7),
            hue=(-0.015, 0.015),
            p=1.0,
        ),
    ]
