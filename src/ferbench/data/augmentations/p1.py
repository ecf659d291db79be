"""Augmentation of IVSA.

Source: P1, section IV.A: rescale, shift by up to 20 %, rotate by up to 10 degrees and flip, each
with probability 0.5, then crops; random erasing from the code it builds on (Khaireddin & Chen,
arXiv:2105.03588).
Differs: one random crop an epoch instead of all ten crops as separate samples.
"""

from __future__ import annotations

import albumentations as A

__all__ = ["p1"]


def p1(input_px: int, resize_px: int) -> list[A.BasicTransform]:
    """Transforms of one training image.

    Args:
        input_px: side of the crop.
        resize_px: side the image is brought to before.
    """
    return [
        A.Resize(resize_px, resize_px),
        A.Affine(scale=(0.8, 1.2), p=0.5),
        A.Affine(translate_percent=(-0.2, 0.2), p=0.5),
        A.Affine(rotate=(-10, 10), p=0.5),
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(input_px, input_px),
        A.Erasing(p=0.5),
    ]
