"""Augmentation of the YOLOv6 paper.

Source: P3 names random crop, rotation and recolouring; ranges of YOLOv6 v3.0, with a scale gain of
0.5 (S) or 0.9 (M, L).
Differs: v3.0 has no rotation and P3 gives no range: up to 10 degrees. The crop is what scale and
translation leave of the scene. No mixing of two scenes (v3.0 mixes a tenth in M and L).
"""

from __future__ import annotations

import albumentations as A

from ferbench.config.params import Recipe
from ferbench.data.transforms import yolo_transforms

__all__ = ["p3"]


def p3(recipe: Recipe, canvas_px: int) -> list[A.BasicTransform]:
    """Transforms of one prepared training scene, as `yolo_transforms` describes them."""
    return yolo_transforms(recipe, canvas_px, degrees=10)
