"""Images of val and test that train contains too: as a copy, a near copy, a person, a sequence.

Near copies have perceptual hashes that differ in few bits. This misses mirrored and shifted copies,
and at small sizes it sometimes matches two persons in one pose: the count is an estimate. Flat
images resemble each other only by chance, so they are never near copies.

Source: perceptual hash (signs of the 64 lowest frequencies of a 32 x 32 grey copy against their
median) as in the library imagehash; C. Zauner, Implementation and Benchmarking of Perceptual Image
Hash Functions, 2010.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageStat
from tqdm import tqdm

from ferbench.artifacts.pack import Pack
from ferbench.config.params import Audit

__all__ = ["Leaks", "find_leaks", "hash_images", "near_pairs", "to_image"]

# Kinds of leaks, and the column whose value two images then share.
_SHARED = {"exact": "pixels", "person": "person", "sequence": "sequence"}
_KINDS = ("exact", "near", "person", "sequence")
# Rows of a table of distances: bounds the memory at this many times the training images.
_CHUNK = 256


@dataclass(frozen=True)
class Leaks:
    """Leaks of a split.

    Args:
        table: rows of `leaks.parquet`, sorted by image: image_id, split; exact, near, person,
            sequence, whether an image of train shares it (False in train itself); flat; leaked,
            any of the four.
        summary: by kind, val_images and test_images that leak, the share of the latter, and the
            number of groups (shared values) or of pairs of train and test. pairs_of_other_persons
            are near although their known persons differ: mistakes of the hash. Null where persons
            or sequences are unknown.
    """

    table: pd.DataFrame
    summary: dict[str, dict[str, Any]]


def find_leaks(images: pd.DataFrame, rules: Audit) -> Leaks:
    """What train shares with val and test.

    Args:
        images: image_id, split, person and sequence (null where unknown), and the columns of
            `hash_images`.
        rules: thresholds for near copies and flat images.
    """
    images = images.sort_values("image_id", ignore_index=True)
    train, test = images["split"] == "train", images["split"] == "test"
    table = images[["image_id", "split"]].assign(flat=images["deviation"] < rules.flat_deviation)
    summary: dict[str, dict[str, Any]] = {}
    for kind, column in _SHARED.items():
        value = images[column]
        # isin() would take one unknown person for another.
        table[kind] = ~train & value.notna() & value.isin(value[train].dropna())
        groups = value[test & table[kind]].nunique()
        known = bool(value[train].notna().any() and value[test].notna().any())
        summary[kind] = _summary(table, kind, {"groups": int(groups)}, known=known)
    tested = np.flatnonzero(~train & ~table["flat"])
    trained = np.flatnonzero(train & ~table["flat"])
    phash = images["phash"].to_numpy()
    pairs = near_pairs(phash[tested], phash[trained], rules.near_bits)
    left, right = tested[pairs[:, 0]], trained[pairs[:, 1]]
    table["near"] = images.index.isin(left)
    of_test = test[left].to_numpy()
    counts = _pair_counts(images["person"], left[of_test], right[of_test])
    summary["near"] = _summary(table, "near", counts, known=True)
    table["leaked"] = table[list(_KINDS)].any(axis=1)
    columns = ["image_id", "split", *_KINDS, "flat", "leaked"]
    return Leaks(table[columns], {kind: summary[kind] for kind in _KINDS})


def _pair_counts(
    person: pd.Series, tested: NDArray[np.int64], trained: NDArray[np.int64]
) -> dict[str, int | None]:
    """Number of pairs, and of those with two known persons that differ."""
    one, other = person.to_numpy(dtype=object)[tested], person.to_numpy(dtype=object)[trained]
    differ = pd.notna(one) & pd.notna(other) & (one != other)
    known = bool(person.notna().any())
    return {
        "pairs": len(tested),
        "pairs_of_other_persons": int(differ.sum()) if known else None,
    }


def _summary(
    table: pd.DataFrame, kind: str, more: Mapping[str, int | None], *, known: bool
) -> dict[str, Any]:
    val, test = (table.loc[table["split"] == split, kind] for split in ("val", "test"))
    counts: dict[str, Any] = {
        "val_images": int(val.sum()),
        "test_images": int(test.sum()),
        "share": float(test.mean()),
        **more,
    }
    return counts if known else dict.fromkeys(counts)


def hash_images(pack: Pack, image_ids: Sequence[str]) -> pd.DataFrame:
    """Digest, perceptual hash and contrast of images; about 0.4 ms for a crop of 48 px.

    Args:
        pack: the images.
        image_ids: of the images to hash.

    Returns:
        image_id; pixels, the MD5 of shape and pixels; phash, the perceptual hash as a 64-bit
        number; deviation, the standard deviation of the grey values (0 to 255).
    """
    bar = tqdm(image_ids, "hash", unit=" images", disable=None)
    rows = [(image_id, *_hash(pack.image(image_id))) for image_id in bar]
    table = pd.DataFrame(rows, columns=["image_id", "pixels", "phash", "deviation"])
    return table.astype({"phash": "uint64", "deviation": "float64"})


def _hash(pixels: NDArray[np.uint8]) -> tuple[str, int, float]:
    digest = hashlib.md5(repr(pixels.shape).encode(), usedforsecurity=False)
    digest.update(np.ascontiguousarray(pixels).data)
    grey = to_image(pixels).convert("L")
    bits = imagehash.phash(grey).hash
    phash = int.from_bytes(np.packbits(bits).tobytes(), "big")
    return digest.hexdigest(), phash, ImageStat.Stat(grey).stddev[0]


def to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Packed pixels (H, W, C) as an image of mode L or RGB."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def near_pairs(
    first: NDArray[np.uint64], second: NDArray[np.uint64], bits: int
) -> NDArray[np.int64]:
    """Pairs of perceptual hashes that differ in at most `bits` bits.

    Args:
        first: (N,) hashes.
        second: (M,) hashes.
        bits: largest Hamming distance.

    Returns:
        (pairs, 2), positions in `first` and in `second`, in rising order.
    """
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(first), _CHUNK):
        distance = np.bitwise_count(first[start : start + _CHUNK, None] ^ second)
        found.append(np.argwhere(distance <= bits) + np.array([start, 0]))
    return np.concatenate(found)
