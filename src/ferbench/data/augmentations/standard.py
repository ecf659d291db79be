"""Augmentations of the papers, of the demo and of tests.

Each is a function of the recipe (which gives `input_px`, the side of the network's input, and
`resize_px`) and of the side `canvas_px` of the prepared image: the input's, or twice that for a
mosaic. It returns the transforms of one prepared training image, in order.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe

__all__ = ["light", "mirror", "none", "p0", "p1", "p3", "p4"]


def light(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Small changes for short trainings: scale, shift, rotation, mirror image.

    Source: none; the demo's own.
    Differs: from every paper's.
    """
    shift = 0.06 * recipe.resize_px / canvas_px
    return [
        A.Affine(
            scale=(0.9, 1.1),
            keep_ratio=True,
            translate_percent=(-shift, shift),
            rotate=(-8, 8),
            fill=114,
            p=0.5,
        ),
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(recipe.input_px, recipe.input_px),
    ]


def mirror(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """The mirror image alone: for comparing trainers, which agree on it to the pixel.

    Source: none.
    Differs: from every paper's.
    """
    del canvas_px
    return [A.HorizontalFlip(p=0.5), A.RandomCrop(recipe.input_px, recipe.input_px)]


def none(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """No augmentation: the centre of the prepared image, as in evaluation.

    Source: none; for tests that a network learns its training images by heart.
    Differs: from every paper's.
    """
    del canvas_px
    return [A.CenterCrop(recipe.input_px, recipe.input_px)]


def p0(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Augmentation of YOLO-OSAM, and of the Ultralytics trainer.

    Source: the default hyper-parameters of P0's released code (YOLOv5 v7), with a scale gain of
    0.5. The recipe gives the share of mosaics.
    Differs: see `_yolo`.
    """
    return _yolo(recipe, canvas_px, degrees=0.0)


def p1(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Augmentation of IVSA.

    Source: P1, section IV.A: rescale by up to 20 %, shift by up to 20 %, rotate by up to 10 degrees
    and flip, each with probability 0.5, then crops; random erasing from the code it builds on
    (Khaireddin & Chen, arXiv:2105.03588). Shifts are fractions of the whole image.
    Differs: nothing with ten crops; with one crop, a random one of each epoch replaces all ten.
    """
    del canvas_px
    return [
        A.Affine(scale=(0.8, 1.2), keep_ratio=True, p=0.5),
        A.Affine(translate_percent=(-0.2, 0.2), p=0.5),
        A.Affine(rotate=(-10, 10), p=0.5),
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(recipe.input_px, recipe.input_px),
        A.Erasing(p=0.5),
    ]


def p3(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Augmentation of the YOLOv6 paper.

    Source: P3 names random crop, rotation and recolouring; ranges of YOLOv6 v3.0, with a scale gain
    of 0.5 (S) or 0.9 (M, L).
    Differs: v3.0 has no rotation and P3 gives no range: up to 10 degrees. The crop is what scale
    and translation leave of the scene. No mixing of two scenes (v3.0 mixes a tenth in M and L). See
    also `_yolo`.
    """
    return _yolo(recipe, canvas_px, degrees=10)


def p4(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Augmentation of the ResNet-50 with one light CBAM.

    Source: P4: brightness and contrast by up to 0.2; flip and rotation by up to 10 degrees from its
    released code.
    Differs: nothing.
    """
    del canvas_px
    return [
        A.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.0, hue=0.0, p=1.0),
        A.HorizontalFlip(p=0.5),
        A.Rotate(limit=(-10, 10), p=1.0),
        A.CenterCrop(recipe.input_px, recipe.input_px),
    ]


def _yolo(recipe: Recipe, canvas_px: int, degrees: float) -> list[A.BasicTransform]:
    """What the trainers of YOLOv5 and YOLOv6 do to a scene after mosaic.

    Source: hyper-parameters of YOLOv5 v7 (P0's released code) and of YOLOv6 v3.0: one scale factor
    from 1 - gain to 1 + gain, translation by up to 0.1 of the input on each axis, horizontal flip
    with probability 0.5, hue 0.015, saturation 0.7, value 0.4.
    Differs: saturation blends a pixel with its grey value and value multiplies all channels, where
    both trainers scale them in HSV; on grey images the two are the same.

    Args:
        recipe: gives the scale gain and the side of the network's input.
        canvas_px: side of the prepared image.
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
