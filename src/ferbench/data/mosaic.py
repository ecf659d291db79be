"""Four training scenes in one picture.

Source: Bochkovskiy et al., "YOLOv4", arXiv:2004.10934, section 3.3, by albumentations' `Mosaic`.
Differs: from ultralytics' mosaic, which first makes a picture of twice the side and then scales by
chance; the scale is drawn here by the augmentation that follows.
"""

from __future__ import annotations

from zlib import crc32

import albumentations as A
import numpy as np

from ferbench.data.sampler import Key
from ferbench.params import Recipe

__all__ = ["four_in_one", "mosaic_partners"]

_TILES = 4


def four_in_one(px: int) -> A.Mosaic:
    """The transform; it takes three more scenes as `mosaic_metadata`.

    Args:
        px: side of the picture that is made.
    """
    return A.Mosaic(
        grid_yx=(2, 2),
        target_size=(px, px),
        cell_shape=(px, px),
        center_range=(0.25, 0.75),
        fit_mode="contain",
        fill=114,
        p=1.0,
    )


def mosaic_partners(key: Key, seed: int, scenes: int, recipe: Recipe) -> list[int]:
    """Which scenes join a training scene; none if this one stays alone.

    The choice depends on (seed, epoch, scene) alone.

    Args:
        key: epoch and scene; a negative epoch means no augmentation.
        seed: of the cell.
        scenes: number of training scenes.
        recipe: gives the share of mosaics and the last epochs that are without.
    """
    epoch, index = key
    if epoch < 0 or epoch >= recipe.epochs - recipe.plain_epochs or recipe.mosaic == 0:
        return []
    rng = np.random.default_rng(crc32(f"mosaic/{seed}/{epoch}/{index}".encode()))
    if rng.random() >= recipe.mosaic:
        return []
    return [int(i) for i in rng.integers(scenes, size=_TILES - 1)]
