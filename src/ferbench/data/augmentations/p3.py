"""Augmentation of the YOLOv6 paper.

Source: P3 names random crop, rotation and recolouring; their ranges from YOLOv6 v3.0 (scale 0.5,
translation 0.1, horizontal flip, hue 0.015, saturation 0.7, value 0.4), which has no rotation: up
to 10 degrees.
Differs: the crop is what scale and translation leave of the scene; no mixing of two scenes.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["p3"]


def p3(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training scene.

    Args:
        input_px: side of the network's input.
        resize_px: side the scene's longer side is brought to; the rest is padded with grey.
    """
    return [
        A.LongestMaxSize(resize_px),
        A.PadIfNeeded(input_px, input_px, fill=114),
        A.Affine(scale=(0.5, 1.5), translate_percent=(-0.1, 0.1), rotate=(-10, 10), fill=114, p=1),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(brightness=0.4, contrast=0.0, saturation=0.7, hue=0.015, p=1.0),
    ]
