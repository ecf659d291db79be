"""Small changes for short trainings: scale, shift, rotation, mirror image.

Source: none; the demo's own.
Differs: from every paper's.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe

__all__ = ["light"]


def light(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training image.

    Args:
        recipe: gives the side of the crop.
        canvas_px: side of the prepared image.
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
