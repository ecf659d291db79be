"""Sharing images out into parts: image by image, or person by person.

Both draws balance the classes. They depend on the images' ids and the generator alone, never on the
order of rows. A part is a number from 0 up; which split it becomes is the protocol's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.emotions import in_order

__all__ = ["by_image", "by_person", "draw_evenly", "folds"]

# Random assignments that `by_person` chooses from.
TRIES = 20

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def by_image(frame: pd.DataFrame, shares: Sequence[float], rng: np.random.Generator) -> pd.Series:
    """Part of each image; every class is cut by `shares`, with an image in each part if it can be.

    Args:
        frame: rows of an index.
        shares: of the parts; they sum to 1.
        rng: the only source of chance.

    Returns:
        Part numbers, indexed like `frame`.
    """
    parts = pd.Series(-1, index=frame.index, dtype="int64")
    ordered = frame.sort_values("image_id")
    for emotion in in_order(frame["emotion"]):
        rows = ordered.index[ordered["emotion"] == emotion].to_numpy()
        sizes = _sizes(len(rows), shares)
        parts[rng.permutation(rows)] = np.repeat(np.arange(len(shares)), sizes)
    return parts


def _sizes(images: int, shares: Sequence[float]) -> Int:
    """Whole numbers nearest to the shares that sum to `images`; none is 0 if it can be helped."""
    exact = images * np.asarray(shares)
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    largest = np.argsort(sizes - exact, kind="stable")
    sizes[largest[: images - sizes.sum()]] += 1
    while images >= len(shares) and sizes.min() == 0:
        sizes[sizes.argmin()] += 1
        sizes[sizes.argmax()] -= 1
    return sizes


def by_person(frame: pd.DataFrame, shares: Sequence[float], rng: np.random.Generator) -> pd.Series:
    """Part of each image; no person is in two parts, and classes are shared out close to `shares`.

    Of several random assignments the best balanced is taken. Each first gives every part a person
    of every class, the rarest class first, and then every further person to the part that lacks
    such images most. An image whose person is unknown counts as a person of its own.

    Args:
        frame: rows of an index.
        shares: of the parts; they sum to 1.
        rng: the only source of chance.

    Returns:
        Part numbers, indexed like `frame`.
    """
    person = frame["person"].where(frame["person"].notna(), "image " + frame["image_id"])
    # (persons, classes), sorted by person, so that the order of rows has no say
    counts = pd.crosstab(person, frame["emotion"]).sort_index(axis=0).sort_index(axis=1)
    draws = (_assign(counts.to_numpy(), np.asarray(shares), rng) for _ in range(TRIES))
    _, parts = min(draws, key=lambda draw: draw[0])
    return person.map(dict(zip(counts.index, parts, strict=True))).astype("int64")


def folds(frame: pd.DataFrame, k: int, rng: np.random.Generator) -> pd.Series:
    """Fold (0 .. k - 1) of each image: equal parts, balanced by class, no person in two of them."""
    return by_person(frame, (1 / k,) * k, rng)


def _assign(counts: Int, shares: Float, rng: np.random.Generator) -> tuple[tuple[int, float], Int]:
    """One random assignment of persons to parts after its badness: absent classes, imbalance."""
    # Each person's fraction of every class, and of all images.
    weight = np.column_stack([counts, counts.sum(axis=1)]) / np.append(
        counts.sum(axis=0), counts.sum()
    )
    need = np.tile(shares[:, None], weight.shape[1])  # (parts, classes + 1)
    part = _one_of_each(counts, len(shares), rng)
    for chosen in range(len(shares)):
        need[chosen] -= weight[part == chosen].sum(axis=0)
    for person in rng.permutation(np.flatnonzero(part < 0)):
        part[person] = int(np.argmax(need @ weight[person]))
        need[part[person]] -= weight[person]
    held = np.stack([counts[part == chosen].sum(axis=0) for chosen in range(len(shares))])
    return (int((held == 0).sum()), float((need**2).sum())), part


def _one_of_each(counts: Int, parts: int, rng: np.random.Generator) -> Int:
    """Parts of persons (-1: not yet in one) such that every part has a person of every class."""
    part = np.full(len(counts), -1, dtype=np.int64)
    order = rng.permutation(len(counts))
    for emotion in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        showing = order[counts[order, emotion] > 0]
        for chosen in rng.permutation(parts):
            free = showing[part[showing] < 0]
            if len(free) and not (part[showing] == chosen).any():
                part[free[0]] = chosen
    return part


def draw_evenly(frame: pd.DataFrame, limit: int, rng: np.random.Generator) -> pd.DataFrame:
    """At most `limit` rows, evenly over classes; what a small class lacks the larger ones give."""
    ordered = frame.sort_values("image_id")
    groups = [rows for _, rows in ordered.groupby("emotion", sort=True)]
    kept: list[pd.DataFrame] = []
    left = limit
    # The smallest class first: what it leaves over is shared by those after it.
    for i, rows in enumerate(sorted(groups, key=len)):
        take = min(len(rows), left // (len(groups) - i))
        kept.append(rows.iloc[np.sort(rng.permutation(len(rows))[:take])])
        left -= take
    return pd.concat(kept).sort_values("image_id")
