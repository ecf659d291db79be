"""Augmentation of YOLO-OSAM, and of the Ultralytics trainer.

Source: the default hyper-parameters of P0's released code (YOLOv5 v7), with a scale gain of 0.5.
The recipe gives the share of mosaics.
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe
from ferbench.data.transforms import yolo_transforms

__all__ = ["p0"]


def p0(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training image, as `yolo_transforms` describes them."""
    return yolo_transforms(recipe, canvas_px)
