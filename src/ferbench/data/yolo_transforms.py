"""What the trainers of YOLOv5 and YOLOv6 do to a scene after mosaic.

Source: hyper-parameters of YOLOv5 v7 (P0's released code) and of YOLOv6 v3.0: one scale factor from
1 - gain to 1 + gain, translation by up to 0.1 of the input on each axis, horizontal flip with
probability 0.5, hue 0.015, saturation 0.7, value 0.4.
Differs: saturation blends a pixel with its grey value and value multiplies all channels, where both
trainers scale them in HSV; on grey images the two are the same.
"""

from __future__ import annotations

import albumentations as A

from ferbench.params import Recipe

__all__ = ["yolo_transforms"]


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
