"""The labelled faces of a side, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Units", "round_column", "split_of_seed", "units"]


@dataclass(frozen=True)
class Units:
    """The labelled faces of one side of a split.

    Args:
        frame: image_id, face, cls, cx, cy, w, h (fractions), unit_id; sorted.
        classes: class names in the order of `cls`.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]


def units(boxes: pd.DataFrame, split: pd.DataFrame, side: str, classes: tuple[str, ...]) -> Units:
    """Faces of the images on one side.

    Args:
        boxes: `boxes.parquet` of stage `yolo_labels`.
        split: image_id and split.
        side: train, val or test.
        classes: class names in the order of `cls`.
    """
    images = split.loc[split["split"] == side, "image_id"]
    frame = boxes[boxes["image_id"].isin(images)].sort_values(["image_id", "face"])
    several = frame.groupby("image_id")["face"].transform("size") > 1
    suffix = np.where(several, "#" + frame["face"].astype(str), "")
    return Units(frame.assign(unit_id=frame["image_id"] + suffix).reset_index(drop=True), classes)


def round_column(seed: int) -> str:
    """The column of a split table that holds the split of one seed."""
    return f"split_{seed}"


def split_of_seed(split: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The split of one seed: its own if every seed has one, else the one there is."""
    own = round_column(seed)
    return split.assign(split=split[own]) if own in split else split
