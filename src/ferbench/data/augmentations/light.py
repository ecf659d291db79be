"""A little shift, turn and scale, and the mirror: for short runs that must learn something.

Source: none; the demo's own.
Differs: from every paper's.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["light"]


def light(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training image.

    Args:
        input_px: side of the crop.
        resize_px: side the image's longer side is brought to before.
    """
    return [
        A.LongestMaxSize(resize_px),
        A.PadIfNeeded(resize_px, resize_px, fill=114),
        A.Affine(scale=(0.9, 1.1), translate_percent=(-0.06, 0.06), rotate=(-8, 8), fill=114),
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(input_px, input_px),
    ]
