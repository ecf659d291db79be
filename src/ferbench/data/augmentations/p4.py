"""Augmentation of the ResNet-50 with one light CBAM.

Source: P4: brightness and contrast by up to 0.2; flip and rotation by up to 10 degrees
from its released code.
Differs: nothing.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["p4"]


def p4(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training image.

    Args:
        input_px: side of the network's input.
        resize_px: not used: there is no crop.
    """
    del resize_px
    return [
        A.Resize(input_px, input_px),
        A.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.0, hue=0.0, p=1.0),
        A.HorizontalFlip(p=0.5),
        A.Rotate(limit=(-10, 10), p=1.0),
    ]
