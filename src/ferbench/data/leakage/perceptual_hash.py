"""Every picture of a data set in three values: its pixels' digest, a perceptual hash, its contrast.

Source: perceptual hash (signs of the 64 lowest frequencies of a 32 x 32 grey copy against their
median) as in the library imagehash; C. Zauner, Implementation and Benchmarking of Perceptual Image
Hash Functions, 2010.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageStat
from tqdm import tqdm

from ferbench.artifacts.pack import Pack

__all__ = ["look_at", "near_pairs", "picture"]

# Rows of a table of distances: bounds the memory at so many times the training images.
_CHUNK = 256


def look_at(pack: Pack, image_ids: Sequence[str]) -> pd.DataFrame:
    """What is compared of every image; about 0.4 ms for a crop of 48 px.

    Args:
        pack: the images.
        image_ids: of those that are looked at.

    Returns:
        image_id; pixels, the MD5 of shape and pixels; look, the perceptual hash as a 64-bit number;
        deviation, the standard deviation of the grey values (0 to 255).
    """
    bar = tqdm(image_ids, "look", unit=" images", disable=None)
    rows = [(image_id, *_look(pack.image(image_id))) for image_id in bar]
    table = pd.DataFrame(rows, columns=["image_id", "pixels", "look", "deviation"])
    return table.astype({"look": "uint64", "deviation": "float64"})


def _look(pixels: NDArray[np.uint8]) -> tuple[str, int, float]:
    shown = hashlib.md5(repr(pixels.shape).encode(), usedforsecurity=False)
    shown.update(np.ascontiguousarray(pixels).data)
    grey = picture(pixels).convert("L")
    bits = imagehash.phash(grey).hash
    look = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return shown.hexdigest(), look, ImageStat.Stat(grey).stddev[0]


def picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """Packed pixels (H, W, C) as an image of mode L or RGB."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def near_pairs(
    first: NDArray[np.uint64], second: NDArray[np.uint64], bits: int
) -> NDArray[np.int64]:
    """Pairs of perceptual hashes that differ in at most so many bits.

    Args:
        first: (N,) hashes.
        second: (M,) hashes.
        bits: largest Hamming distance.

    Returns:
        (pairs, 2), places in `first` and in `second`, in rising order.
    """
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(first), _CHUNK):
        distance = np.bitwise_count(first[start : start + _CHUNK, None] ^ second)
        pairs = np.argwhere(distance <= bits)
        found.append(pairs + np.array([start, 0]))
    return np.concatenate(found)
