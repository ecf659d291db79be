"""The labelled faces of a side, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ferbench.errors import InputError
from ferbench.files import digest, md5_file, read_json

__all__ = [
    "FaceTable",
    "PackedDataset",
    "face_table",
    "open_dataset",
    "split_column",
    "split_of_seed",
]


@dataclass(frozen=True)
class FaceTable:
    """The labelled faces of one side of a split.

    Args:
        frame: image_id, face, cls, cx, cy, w, h (fractions), unit_id; sorted.
        classes: class names in the order of `cls`.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]


def face_table(
    boxes: pd.DataFrame, split: pd.DataFrame, side: str, classes: tuple[str, ...]
) -> FaceTable:
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
    return FaceTable(
        frame.assign(unit_id=frame["image_id"] + suffix).reset_index(drop=True), classes
    )


def split_column(seed: int) -> str:
    """The column of a split table that holds the split of one seed."""
    return f"split_{seed}"


def split_of_seed(split: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The split of one seed: its own if every seed has one, else the one there is."""
    own = split_column(seed)
    return split.assign(split=split[own]) if own in split else split


# MERGED from ferbench.data.dataset:
# What the data stages left for one data set, opened for a model.


@dataclass(frozen=True)
class PackedDataset:
    """A packed and split data set.

    Args:
        pack: folder of packed images.
        boxes: faces as fractions, one row each.
        split: image_id and split.
        classes: class names in model order.
        protocol: that split it.
        digest: of images, faces and split; a cell trained on other data has another.
    """

    pack: Path
    boxes: pd.DataFrame
    split: pd.DataFrame
    classes: tuple[str, ...]
    protocol: str
    digest: str

    def side(self, name: str) -> FaceTable:
        """Labelled faces of train, val or test.

        Raises:
            InputError: there are none.
        """
        faces = face_table(self.boxes, self.split, name, self.classes)
        if faces.frame.empty:
            raise InputError(
                f"no face on side {name!r}",
                where=self.pack.name,
                remedy="take another protocol, or a larger limit",
            )
        return faces


def open_dataset(dataset: str, seed: int, root: Path = Path("data")) -> PackedDataset:
    """Open what stages `pack`, `split` and `yolo_labels` wrote for a data set.

    Args:
        dataset: key of its row.
        seed: of the cell; where the row draws a split for every seed, this one's is taken.
        root: folder of all data.

    Raises:
        InputError: a file is missing.
    """
    pack, split = root / "pack" / dataset, root / "splits" / f"{dataset}.parquet"
    boxes, about = root / "yolo" / dataset / "boxes.parquet", split.with_suffix(".json")
    parts = [pack / "images.bin", pack / "images.parquet", boxes, split, about]
    for path in parts:
        if not path.is_file():
            raise InputError("missing", where=path, remedy="`dvc repro` makes it")
    described = read_json(about)
    return PackedDataset(
        pack=pack,
        boxes=pd.read_parquet(boxes),
        split=split_of_seed(pd.read_parquet(split), seed),
        classes=tuple(described["classes"]),
        protocol=described["protocol"],
        digest=digest([md5_file(path) for path in parts]),
    )
