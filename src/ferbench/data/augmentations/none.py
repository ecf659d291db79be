"""No augmentation: the whole image, resized and padded as in evaluation.

Source: none; for tests that a network learns its training images by heart.
Differs: from every paper's.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["none"]


def none(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training image.

    Args:
        input_px: side of the network's input; a larger image is cropped to its centre.
        resize_px: side the image's longer side is brought to; the rest is padded with grey.
    """
    return [
        A.LongestMaxSize(resize_px),
        A.PadIfNeeded(input_px, input_px, fill=114),
        A.CenterCrop(input_px, input_px),
    ]
