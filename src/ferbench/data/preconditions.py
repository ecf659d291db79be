"""What a protocol asks of an index; each refusal names what is short and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ferbench.emotions import in_order
from ferbench.errors import InputError

__all__ = ["require_images", "require_persons", "require_sides", "require_whole_persons"]

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
