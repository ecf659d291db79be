"""What protocols are made of: balanced random draws, and what they require of an index.

The draws balance the classes, image by image or person by person. They depend on the images' ids
and the generator alone, never on the order of rows. A part is a number from 0 up; which split it
becomes is the protocol's business. Each refusal names what is missing and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.emotions import in_order
from ferbench.errors import InputError

__all__ = [
    "Protocol",
    "by_image",
    "by_person",
    "draw_evenly",
    "folds",
    "protocol",
    "require_images",
    "require_persons",
    "require_splits",
    "require_whole_persons",
]

Draw = Callable[[pd.DataFrame, np.random.Generator], pd.Series]
Float = NDArray[np.float64]
Int = NDArray[np.int64]

_REMEDY = (
    "merge or remove the class, raise the row's `limit` if it has one, or choose another protocol"
)
# Names that a message lists before it counts the others.
_SHOWN = 5
# Random assignments that `by_person` chooses from.
_TRIES = 20


@dataclass(frozen=True)
class Protocol:
    """A rule that splits an index; call it with the index and a generator.

    Args:
        draw: from index and generator to the split of each row, None for rows in no split.
        person_disjoint: whether no known person is in two splits; checked on every result.
        left_out: why rows are in no split, for the split's summary.
        draws_test: whether another seed draws another test part from all images.
    """

    draw: Draw
    person_disjoint: bool
    left_out: str
    draws_test: bool

    def __call__(self, frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
        """The split of each row, indexed like `frame`."""
        return self.draw(frame, rng)


def protocol(
    *, person_disjoint: bool, left_out: str = "", draws_test: bool = True
) -> Callable[[Draw], Protocol]:
    """Decorator that makes a function a `Protocol`."""
    return lambda draw: Protocol(draw, person_disjoint, left_out, draws_test)


def require_images(frame: pd.DataFrame, parts: int) -> None:
    """Refuse a class that has fewer images than there are parts.

    Raises:
        InputError: there is such a class; it is named with its count.
    """
    _require(frame["emotion"].value_counts(), "image", parts, frame)


def require_persons(frame: pd.DataFrame, parts: int) -> None:
    """Refuse an unknown person, and a class that has fewer persons than there are parts.

    Raises:
        InputError: there is an image without a person, or such a class.
    """
    unknown = frame.loc[frame["person"].isna(), "image_id"]
    if len(unknown):
        raise InputError(
            f"the person of {len(unknown)} of {len(frame)} images is unknown, for one of "
            f"{unknown.min()!r}; they cannot be split by person",
            where=_name(frame),
            remedy="give the data set's row a protocol that needs no persons, such as "
            "stratified_70_10_20 or official",
        )
    _require(frame.groupby("emotion")["person"].nunique(), "person", parts, frame)


def require_splits(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse an index whose authors left one of some splits empty, or without one of its classes.

    Raises:
        InputError: a split has no image, or none of a class that other splits have.
    """
    split = frame["source_split"]
    for name in names:
        held = frame[split == name]
        if held.empty:
            given = ", ".join(sorted(split.dropna().unique())) or "none"
            raise InputError(
                f"its authors' split has no {name} images (their splits: {given})",
                where=_name(frame),
                remedy="give the data set's row another protocol, such as stratified_70_10_20 or "
                "person_70_10_20",
            )
        counts = held["emotion"].value_counts().reindex(frame["emotion"].unique(), fill_value=0)
        _require(counts, f"{name} image", 1, frame)


def require_whole_persons(frame: pd.DataFrame) -> None:
    """Refuse an index whose authors put one person in two splits.

    Raises:
        InputError: there is such a person.
    """
    splits = frame.groupby("person")["source_split"].nunique()
    divided = sorted(splits.index[splits > 1])
    if divided:
        more = f" and {len(divided) - _SHOWN} more" if len(divided) > _SHOWN else ""
        raise InputError(
            f"persons in two of its authors' splits: {', '.join(divided[:_SHOWN])}{more}",
            where=_name(frame),
            remedy="give the data set's row the protocol person_70_10_20, which keeps each person "
            "in one split",
        )


def _require(counts: pd.Series, unit: str, parts: int, frame: pd.DataFrame) -> None:
    short = [f"{name} ({counts[name]})" for name in in_order(counts.index) if counts[name] < parts]
    if short:
        raise InputError(
            f"too few {unit}s, {parts} are needed in each class: {', '.join(short)}",
            where=_name(frame),
            remedy=_REMEDY,
        )


def _name(frame: pd.DataFrame) -> str:
    return f"data set {frame['dataset'].iloc[0]}"


def by_image(frame: pd.DataFrame, shares: Sequence[float], rng: np.random.Generator) -> pd.Series:
    """Part of each image; every class is cut by `shares`, with an image in each part if it can be.

    Args:
        frame: rows of an index.
        shares: of the parts; they sum to 1.
        rng: the only source of randomness.

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
    """Whole numbers nearest to the shares that sum to `images`; none is 0 if possible."""
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
        rng: the only source of randomness.

    Returns:
        Part numbers, indexed like `frame`.
    """
    person = frame["person"].where(frame["person"].notna(), "image " + frame["image_id"])
    # (persons, classes), sorted by person, so that the order of rows does not matter
    counts = pd.crosstab(person, frame["emotion"]).sort_index(axis=0).sort_index(axis=1)
    draws = (_assign(counts.to_numpy(), np.asarray(shares), rng) for _ in range(_TRIES))
    _, parts = min(draws, key=lambda draw: draw[0])
    return person.map(dict(zip(counts.index, parts, strict=True))).astype("int64")


def folds(frame: pd.DataFrame, k: int, rng: np.random.Generator) -> pd.Series:
    """Fold (0 .. k - 1) of each image: equal parts, balanced by class, no person in two of them."""
    return by_person(frame, (1 / k,) * k, rng)


def _assign(counts: Int, shares: Float, rng: np.random.Generator) -> tuple[tuple[int, float], Int]:
    """One random assignment of persons to parts, after its score: missing classes, imbalance."""
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
    """At most `limit` rows, evenly over classes; larger classes make up for small ones."""
    ordered = frame.sort_values("image_id")
    groups = [rows for _, rows in ordered.groupby("emotion", sort=True)]
    kept: list[pd.DataFrame] = []
    left = limit
    # The smallest class first: what it leaves is shared by the following ones.
    for i, rows in enumerate(sorted(groups, key=len)):
        take = min(len(rows), left // (len(groups) - i))
        kept.append(rows.iloc[np.sort(rng.permutation(len(rows))[:take])])
        left -= take
    return pd.concat(kept).sort_values("image_id")
