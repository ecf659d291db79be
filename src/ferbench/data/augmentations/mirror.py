"""The mirror image alone: for comparing trainers, which agree on it to the pixel.

Source: none.
Differs: from every paper's.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe

__all__ = ["mirror"]


def mirror(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training image.

    Args:
        recipe: gives the side of the crop.
        canvas_px: not used.
    """
    del canvas_px
    return [A.HorizontalFlip(p=0.5), A.RandomCrop(recipe.input_px, recipe.input_px)]
