"""No augmentation: the centre of the prepared image, as in evaluation.

Source: none; for tests that a network learns its training images by heart.
Differs: from every paper's.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe

__all__ = ["none"]


def none(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training image.

    Args:
        recipe: gives the side of the network's input; a larger image is cropped to its centre.
        canvas_px: not used.
    """
    del canvas_px
    return [A.CenterCrop(recipe.input_px, recipe.input_px)]
