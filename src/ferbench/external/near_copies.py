"""Near copies in a whole data set: within splits, between them, and in groups.

`ferbench.data.leakage.leaks` finds what val and test share with train; here every pair of images
counts. Equal images are no near copies, and flat images resemble each other only by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ferbench.artifacts.datasets import SPLITS
from ferbench.data.leakage.leaks import near_pairs

__all__ = ["NearCopies", "find_near_copies"]

# Images compared at once: bounds the memory of a table of distances, and of the pairs found in it.
_ROWS, _COLUMNS = 256, 100_000
_EDGES = 1_000_000  # pairs that are kept before they are merged into groups


@dataclass(frozen=True)
class NearCopies:
    """The near copies of a data set.

    Args:
        pairs: of images.
        label_disagreements: pairs whose labels differ.
        pairs_of_other_persons: pairs of two known persons that differ, which are mistakes of the
            hash; None where no person is known.
        between: for every two splits, or one split with itself, that have a pair: left, right,
            pairs, images_left, images_right.
        earlier: (N,) whether an image has a near copy in an earlier split (train, val, test).
        group: (N,) number of the group of each image, equal for near copies of near copies.
    """

    pairs: int
    label_disagreements: int
    pairs_of_other_persons: int | None
    between: list[dict[str, Any]]
    earlier: NDArray[np.bool_]
    group: NDArray[np.int64]


def find_near_copies(images: pd.DataFrame, bits: int, flat_deviation: float) -> NearCopies:
    """Compare all images with each other.

    Args:
        images: split, label and person (null where unknown), and the columns of
            `ferbench.data.leakage.leaks.hash_images`; N rows.
        bits: largest number of bits in which perceptual hashes differ.
        flat_deviation: the grey values of a flat image deviate by less.
    """
    split = pd.Categorical(images["split"], SPLITS).codes
    label, person = images["label"].to_numpy(object), images["person"].to_numpy(object)
    known = images["person"].notna().to_numpy()
    counts = np.zeros((len(SPLITS), len(SPLITS)), np.int64)
    # met[i, s]: image i has a near copy in split s; the last column is of images in no split.
    met = np.zeros((len(images), len(SPLITS) + 1), np.bool_)
    pairs = differ = strangers = 0
    groups = _Groups(len(images))
    for left, right in _pairs(images, bits, flat_deviation):
        pairs += len(left)
        differ += int((label[left] != label[right]).sum())
        both = known[left] & known[right]
        strangers += int((person[left][both] != person[right][both]).sum())
        met[left, split[right]] = met[right, split[left]] = True
        placed = (split[left] >= 0) & (split[right] >= 0)
        np.add.at(counts, (split[left][placed], split[right][placed]), 1)
        groups.join(left, right)
    earlier = np.zeros(len(images), np.bool_)
    for number in range(1, len(SPLITS)):
        earlier |= (split == number) & met[:, :number].any(axis=1)
    return NearCopies(
        pairs=pairs,
        label_disagreements=differ,
        pairs_of_other_persons=strangers if known.any() else None,
        between=list(_between(counts, met, split)),
        earlier=earlier,
        group=groups.numbers(),
    )


def _pairs(
    images: pd.DataFrame, bits: int, flat_deviation: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions of the two images of each pair, the smaller one first, part by part."""
    seen = np.flatnonzero(images["deviation"] >= flat_deviation)
    phash, pixels = images["phash"].to_numpy(), pd.factorize(images["pixels"])[0]
    for start in range(0, len(seen), _ROWS):
        rows = seen[start : start + _ROWS]
        for first in range(start, len(seen), _COLUMNS):
            columns = seen[first : first + _COLUMNS]
            found = near_pairs(phash[rows], phash[columns], bits)
            left, right = rows[found[:, 0]], columns[found[:, 1]]
            wanted = (left < right) & (pixels[left] != pixels[right])
            if wanted.any():
                yield left[wanted], right[wanted]


class _Groups:
    """Numbers of connected images, found part by part so that no list holds all pairs."""

    def __init__(self, images: int) -> None:
        self._number = np.arange(images, dtype=np.int64)
        self._waiting: list[NDArray[np.int64]] = []

    def join(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        self._waiting.append(np.stack([left, right]))
        if sum(pairs.shape[1] for pairs in self._waiting) > _EDGES:
            self._merge()

    def numbers(self) -> NDArray[np.int64]:
        self._merge()
        return self._number

    def _merge(self) -> None:
        if not self._waiting:
            return
        left, right = self._number[np.concatenate(self._waiting, axis=1)]
        size, self._waiting = len(self._number), []
        table = sparse.coo_matrix((np.ones(len(left), np.bool_), (left, right)), (size, size))
        _, number = connected_components(table, directed=False)
        self._number = number[self._number].astype(np.int64)


def _between(
    counts: NDArray[np.int64], met: NDArray[np.bool_], split: NDArray[Any]
) -> Iterator[dict[str, Any]]:
    for left, right in combinations_with_replacement(range(len(SPLITS)), 2):
        # The pairs lie on both sides of the diagonal, by which image comes first.
        pairs = counts[left, right] + (counts[right, left] if left != right else 0)
        if pairs:
            yield {
                "left": SPLITS[left],
                "right": SPLITS[right],
                "pairs": int(pairs),
                "images_left": int(met[split == left, right].sum()),
                "images_right": int(met[split == right, left].sum()),
            }
