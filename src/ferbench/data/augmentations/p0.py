"""Augmentation of YOLO-OSAM.

Source: the default hyper-parameters of P0's released code: scale 0.5, translation 0.1, horizontal
flip, hue 0.015, saturation 0.7, value 0.4.
Differs: no mosaic, which would put four faces into a picture of 64 pixels; scaled up by at most a
fifth, so that a face that fills its image is not cut to its middle.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["p0"]


def p0(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training image.

    Args:
        input_px: side of the network's input.
        resize_px: side the image's longer side is brought to; the rest is padded with grey.
    """
    return [
        A.LongestMaxSize(resize_px),
        A.PadIfNeeded(input_px, input_px, fill=114),
        A.Affine(scale=(0.5, 1.2), translate_percent=(-0.1, 0.1), fill=114, p=1.0),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(brightness=0.4, contrast=0.0, saturation=0.7, hue=0.015, p=1.0),
    ]
