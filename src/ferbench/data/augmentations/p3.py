"""Augmentation of the YOLOv6 paper.

Source: P3 names random crop, rotation and recolouring; ranges of YOLOv6 v3.0: one scale factor from
1 - gain to 1 + gain with gain 0.5 (S) or 0.9 (M, L), translation by up to 0.1, horizontal flip, hue
0.015, saturation 0.7, value 0.4.
Differs: v3.0 has no rotation and P3 gives no range: up to 10 degrees. The crop is what scale and
translation leave of the scene. No mixing of two scenes (v3.0 mixes a tenth in M and L).
"""

from __future__ import annotations

import albumentations as A

from ferbench.params import Recipe

__all__ = ["p3"]


def p3(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training scene.

    Args:
        recipe: gives the scale gain and the side of the network's input.
        canvas_px: side of the prepared image: the input's, or twice that for a mosaic.
    """
    # The shift is a fraction of the input, albumentations takes one of the canvas.
    shift = 0.1 * recipe.input_px / canvas_px
    return [
        A.Affine(
            scale=(1 - recipe.scale_gain, 1 + recipe.scale_gain),
            keep_ratio=True,
            translate_percent=(-shift, shift),
            rotate=(-10, 10),
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
