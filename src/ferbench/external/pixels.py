"""What is read from the pixels of a data set: hashes of images, and crops of faces.

Images are decoded in batches into a temporary pack, which bounds the disk space whatever the size
of the data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ferbench.artifacts.pack import Pack
from ferbench.data.baselines import FacePixels, crop_faces
from ferbench.data.leakage.leaks import hash_images
from ferbench.data.pack import pack_images

__all__ = ["read_pixels"]

_MOST_IMAGES, _MOST_BYTES = 4_000, 1 << 30  # of a batch


def read_pixels(
    index: pd.DataFrame, root: Path, boxes: pd.DataFrame, scratch: Path
) -> tuple[pd.DataFrame, FacePixels]:
    """Hashes of all images of an index, and crops of some of their faces.

    Args:
        index: readable images, as `ferbench.artifacts.index.read_index` gives them.
        root: folder that their paths start from.
        boxes: faces to be cut out, as `ferbench.artifacts.datasets.boxes_of` gives them.
        scratch: an empty folder for temporary files.

    Returns:
        The columns of `ferbench.data.leakage.leaks.hash_images`; the faces, in the order of images.

    Raises:
        InputError: an image has changed since the index was made.
    """
    hashes, crops = [], []
    for batch in _batches(index):
        pack_images(batch, root, scratch / "pack")
        pack = Pack(scratch / "pack")
        hashes.append(hash_images(pack, batch["image_id"].tolist()))
        crops.append(crop_faces(boxes[boxes["image_id"].isin(batch["image_id"])], pack))
    faces = FacePixels(
        np.concatenate([crop.pixels for crop in crops]),
        np.concatenate([crop.cls for crop in crops]),
        pd.concat([crop.image_id for crop in crops], ignore_index=True),
    )
    return pd.concat(hashes, ignore_index=True), faces


def _batches(index: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Parts of an index, each of at most so many images and so many bytes of pixels."""
    start, size = 0, 0
    sides = index[["width", "height", "channels"]].astype("int64").prod(axis=1).tolist()
    for place, pixels in enumerate(sides):
        if place > start and (size + pixels > _MOST_BYTES or place - start == _MOST_IMAGES):
            yield index.iloc[start:place]
            start, size = place, 0
        size += pixels
    yield index.iloc[start:]
