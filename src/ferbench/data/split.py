"""From the index to train, val and test, with the split's promises checked."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ferbench import plugins
from ferbench.data.partition import draw_evenly
from ferbench.data.units import round_column
from ferbench.emotions import in_order
from ferbench.errors import InputError

__all__ = ["SIDES", "classes_of", "draw_rounds", "draw_split"]

SIDES = ("train", "val", "test")
PROTOCOLS = "ferbench.data.protocols"


def draw_split(
    index: pd.DataFrame, protocol: str, seed: int, limit: int | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Split an index by a protocol.

    Args:
        index: as `ferbench.data.index.read_index` gives it.
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
        column = drawn[["image_id", "split"]].rename(columns={"split": round_column(seed)})
        rounds = rounds.merge(column, on="image_id", how="left", validate="one_to_one")
    return rounds


def classes_of(index: pd.DataFrame) -> list[str]:
    """The classes of models: all emotions of the index's faces in canonical order."""
    return in_order(face["emotion"] for faces in index["faces"] for face in faces)


def _check_index(index: pd.DataFrame) -> None:
    if index.empty:
        raise InputError(
            "the index holds no image", remedy="see its quarantine.csv for the reasons"
        )
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
