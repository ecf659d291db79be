"""Augmentation of the ResNet-50 with one light CBAM.

Source: P4: brightness and contrast by up to 0.2; flip and rotation by up to 10 degrees
from its released code.
Differs: nothing.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe

__all__ = ["p4"]


def p4(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training image.

    Args:
        recipe: gives the side of the network's input, which is the image's own.
        canvas_px: not used.
    """
    del canvas_px
    return [
        A.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.0, hue=0.0, p=1.0),
        A.HorizontalFlip(p=0.5),
        A.Rotate(limit=(-10, 10), p=1.0),
        A.CenterCrop(recipe.input_px, recipe.input_px),
    ]
