"""The mirror alone: for comparing trainers, which agree on it to the pixel.

Source: none.
Differs: from every paper's.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["mirror"]


def mirror(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training image.

    Args:
        input_px: side of the network's input.
        resize_px: side the image's longer side is brought to; the rest is padded with grey.
    """
    return [
        A.LongestMaxSize(resize_px),
        A.PadIfNeeded(input_px, input_px, fill=114),
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(input_px, input_px),
    ]
