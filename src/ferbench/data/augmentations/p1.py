"""Augmentation of IVSA.

Source: P1, section IV.A: rescale by up to 20 %, shift by up to 20 %, rotate by up to 10 degrees and
flip, each with probability 0.5, then crops; random erasing from the code it builds on (Khaireddin &
Chen, arXiv:2105.03588).
Differs: nothing with ten crops; with one crop, a random one of each epoch stands for all ten.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe

__all__ = ["p1"]


def p1(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training image.

    Args:
        recipe: gives the side of the crop.
        canvas_px: not used: shifts are fractions of the whole image.
    """
    del canvas_px
    return [
        A.Affine(scale=(0.8, 1.2), keep_ratio=True, p=0.5),
        A.Affine(translate_percent=(-0.2, 0.2), p=0.5),
        A.Affine(rotate=(-10, 10), p=0.5),
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(recipe.input_px, recipe.input_px),
        A.Erasing(p=0.5),
    ]
