"""Faults planted in a generated data set, each as often as asked for and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from ferbench.data.faces.dataset import Item
from ferbench.errors import InputError

__all__ = ["plant"]

_SPLITS = ("train", "val", "test")


def plant(
    items: list[Item], options: Mapping[str, Any], rng: np.random.Generator
) -> Iterator[Item]:
    """The additional files; every one of them goes back to an image of its own.

    Copies and changed versions keep the person. Every second exact copy is in another source split;
    all others stay in the split of their image.

    Args:
        items: the clean data set.
        options: how many faults of each kind.
        rng: chooses the images.

    Raises:
        InputError: there are fewer images than faults.
    """
    kinds = {
        "exact_duplicates": _exact,
        "label_conflicts": _conflict,
        "near_duplicates": _near,
        "corrupt": _corrupt,
    }
    wanted = sum(options[kind] for kind in kinds)
    if wanted > len(items):
        raise InputError(
            f"{wanted} faults in {len(items)} images",
            where="options",
            remedy="ask for fewer faults or for more persons",
        )
    order = iter(rng.permutation(len(items)).tolist())
    for kind, change in kinds.items():
        for number in range(options[kind]):
            yield change(items[next(order)], number, items)


def _exact(item: Item, number: int, items: list[Item]) -> Item:
    """A copy; every second one is in another source split."""
    del items
    split = _SPLITS[(_SPLITS.index(item.source_split) + number % 2) % 3]
    return replace(item, file=f"copy_{number:03d}.png", source_split=split)


def _conflict(item: Item, number: int, items: list[Item]) -> Item:
    """A copy with another label."""
    others = sorted({other.emotion for other in items} - {item.emotion})
    emotion = others[number % len(others)]
    faces = tuple({**face, "emotion": emotion} for face in item.faces[:1]) + item.faces[1:]
    return replace(item, file=f"conflict_{number:03d}.png", emotion=emotion, faces=faces)


def _near(item: Item, number: int, items: list[Item]) -> Item:
    """A version gone through lossy compression, every second one a little brighter."""
    del items
    picture = cv2.imdecode(np.frombuffer(item.content, np.uint8), cv2.IMREAD_UNCHANGED)
    if number % 2:
        picture = cv2.convertScaleAbs(picture, alpha=1.04, beta=3)
    _, lossy = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    again = cv2.imdecode(lossy, cv2.IMREAD_UNCHANGED)
    _, data = cv2.imencode(".png", again)
    return replace(item, file=f"near_{number:03d}.png", content=bytes(data))


def _corrupt(item: Item, number: int, items: list[Item]) -> Item:
    """A file that is cut off, empty, text, or a single pixel, in turn."""
    del items
    _, pixel = cv2.imencode(".png", np.full((1, 1), number % 256, np.uint8))
    contents = (
        item.content[: len(item.content) // 2],
        b"",
        f"no image, number {number}\n".encode(),
        bytes(pixel),
    )
    return replace(item, file=f"corrupt_{number:03d}.png", content=contents[number % 4])
