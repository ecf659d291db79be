"""What a protocol asks of an index; each refusal names what is short and what to do about it."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench import plugins
from ferbench.data.dataset import split_column
from ferbench.emotions import in_order
from ferbench.errors import InputError

__all__ = [
    "SIDES",
    "by_image",
    "by_person",
    "classes_of",
    "draw_evenly",
    "draw_rounds",
    "draw_split",
    "folds",
    "require_images",
    "require_persons",
    "require_sides",
    "require_whole_persons",
]

SMALL_CLASS = (
    "merge or remove the class, raise the row's `limit` if it has one, or choose another protocol"
)
SHOWN = 5


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
    nameless = frame.loc[frame["person"].isna(), "image_id"]
    if len(nameless):
        raise InputError(
            f"the person of {len(nameless)} of {len(frame)} images is unknown, for one of "
            f"{nameless.min()!r}; they cannot be split by person",
            where=_name(frame),
            remedy="give the data set's row a protocol that needs no persons, such as "
            "stratified_70_10_20 or official",
        )
    _require(frame.groupby("emotion")["person"].nunique(), "person", parts, frame)


def require_sides(frame: pd.DataFrame, sides: Iterable[str]) -> None:
    """Refuse an index whose authors left one of `sides` empty, or without one of its classes.

    Raises:
        InputError: there is no image of that side, or none of a class that other sides have.
    """
    split = frame["source_split"]
    for side in sides:
        held = frame[split == side]
        if held.empty:
            given = ", ".join(sorted(split.dropna().unique())) or "none"
            raise InputError(
                f"its authors' split has no {side} images (their splits: {given})",
                where=_name(frame),
                remedy="give the data set's row another protocol, such as stratified_70_10_20 or "
                "person_70_10_20",
            )
        counts = held["emotion"].value_counts().reindex(frame["emotion"].unique(), fill_value=0)
        _require(counts, f"{side} image", 1, frame)


def require_whole_persons(frame: pd.DataFrame) -> None:
    """Refuse an index whose authors put one person in two splits.

    Raises:
        InputError: there is such a person.
    """
    sides = frame.groupby("person")["source_split"].nunique()
    torn = sorted(sides.index[sides > 1])
    if torn:
        more = f" and {len(torn) - SHOWN} more" if len(torn) > SHOWN else ""
        raise InputError(
            f"persons in two of its authors' splits: {', '.join(torn[:SHOWN])}{more}",
            where=_name(frame),
            remedy="give the data set's row the protocol person_70_10_20, which keeps each person "
            "on one side",
        )


def _require(counts: pd.Series, unit: str, parts: int, frame: pd.DataFrame) -> None:
    short = [f"{word} ({counts[word]})" for word in in_order(counts.index) if counts[word] < parts]
    if short:
        raise InputError(
            f"too few {unit}s, {parts} are needed in each class: {', '.join(short)}",
            where=_name(frame),
            remedy=SMALL_CLASS,
        )


def _name(frame: pd.DataFrame) -> str:
    return f"data set {frame['dataset'].iloc[0]}"


# MERGED from ferbench.data.split:
# Sharing images out into parts: image by image, or person by person.
#
# Both draws balance the classes. They depend on the images' ids and the generator alone, never on the
# order of rows. A part is a number from 0 up; which split it becomes is the protocol's business.


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


# MERGED from ferbench.data.split:
# From the index to train, val and test, with the split's promises checked.


SIDES = ("train", "val", "test")
PROTOCOLS = "ferbench.data.protocols"


def draw_split(
    index: pd.DataFrame, protocol: str, seed: int, limit: int | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Split an index by a protocol.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        protocol: a file of `ferbench.data.protocols`.
        seed: of all chance in it; the order of rows has no say.
        limit: at most so many images, drawn evenly over classes before the protocol.

    Returns:
        The table (image_id, split, emotion, person), sorted by `image_id`, and its description.

    Raises:
        InputError: the protocol is unknown, or the index cannot be split by it.
    """
    draw = plugins.load(PROTOCOLS, protocol)
    # The loader gives a plug-in's one public object; what it promises stands beside it.
    promised = importlib.import_module(f"{PROTOCOLS}.{protocol}")
    _check_index(index)
    rng = np.random.default_rng(seed)
    frame = index.sort_values("image_id")
    if limit is not None and limit < len(frame):
        frame = draw_evenly(frame, limit, rng)
    left_out = Counter({"over the row's limit": len(index) - len(frame)})
    frame = frame.assign(split=draw(frame, rng))
    left_out[promised.LEFT_OUT] += int(frame["split"].isna().sum())
    frame = frame[frame["split"].notna()].reset_index(drop=True)
    promises = _promises(frame, promised.PERSON_DISJOINT)
    described = {
        "protocol": protocol,
        "seed": seed,
        "limit": limit,
        "classes": classes_of(index),
        **_counts(frame),
        "left_out": {reason: count for reason, count in left_out.items() if count},
        "promises": promises,
    }
    return frame[["image_id", "split", "emotion", "person"]], described


def draw_rounds(
    index: pd.DataFrame, split: pd.DataFrame, protocol: str, seeds: Sequence[int]
) -> pd.DataFrame:
    """A split with one more column a seed, `split_<seed>`: the same images, drawn anew.

    Args:
        index: that the split was drawn from.
        split: as `draw_split` gives it.
        protocol: of the split.
        seeds: of the cells.

    Raises:
        InputError: as `draw_split`.
    """
    images = index[index["image_id"].isin(split["image_id"])]
    rounds = split
    for seed in seeds:
        drawn, _ = draw_split(images, protocol, seed)
        column = drawn[["image_id", "split"]].rename(columns={"split": split_column(seed)})
        rounds = rounds.merge(column, on="image_id", how="left", validate="one_to_one")
    return rounds


def classes_of(index: pd.DataFrame) -> list[str]:
    """The classes of models: all emotions of the index's faces in canonical order."""
    return in_order(face["emotion"] for faces in index["faces"] for face in faces)


def _check_index(index: pd.DataFrame) -> None:
    if index.empty:
        raise InputError("the index holds no image", remedy="see its column dropped_reason")
    twice = index.loc[index["md5"].duplicated(), "image_id"]
    if len(twice):
        raise InputError(
            f"{len(twice)} images equal another one, for instance {twice.min()!r}",
            where=f"data set {index['dataset'].iloc[0]}",
            remedy="run `dvc repro dedup`, which keeps one of each, before the split",
        )


def _counts(frame: pd.DataFrame) -> dict[str, Any]:
    """Images, images per class, faces per class and persons of each side."""
    sides = {side: frame[frame["split"] == side] for side in SIDES}
    known = frame["person"].notna().any()
    return {
        "images": {side: len(rows) for side, rows in sides.items()},
        "counts": {side: _per_class(rows["emotion"]) for side, rows in sides.items()},
        "faces": {
            side: _per_class(face["emotion"] for faces in rows["faces"] for face in faces)
            for side, rows in sides.items()
        },
        "persons": {
            side: int(rows["person"].nunique()) if known else None for side, rows in sides.items()
        },
    }


def _per_class(emotions: Any) -> dict[str, int]:
    counts = Counter(emotions)
    return {emotion: counts[emotion] for emotion in in_order(counts)}


def _promises(frame: pd.DataFrame, person_disjoint: bool) -> list[dict[str, Any]]:
    """What the split keeps, as observed.

    Raises:
        ValueError: one is broken, which is a fault of the protocol's code.
    """
    promises = [
        _shared(frame, "image_id", "every image is on one side"),
        _shared(frame, "md5", "no two sides share a file"),
    ]
    if person_disjoint:
        promises.append(_shared(frame, "person", "no two sides share a known person"))
    empty = [side for side in SIDES if not (frame["split"] == side).any()]
    promises.append({"expectation": "no side is empty", "holds": not empty, "observed": len(empty)})
    if broken := [promise for promise in promises if not promise["holds"]]:
        raise ValueError(f"the split breaks its promises: {broken}")
    return promises


def _shared(frame: pd.DataFrame, column: str, expectation: str) -> dict[str, Any]:
    sides = frame.groupby(column)["split"].nunique()
    shared = int((sides > 1).sum())
    return {"expectation": expectation, "holds": shared == 0, "observed": shared}
