"""A packed and split data set, and the labelled faces of one of its splits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.datasets import read_boxes, read_split, read_split_summary
from ferbench.artifacts.pack import Pack
from ferbench.artifacts.paths import DatasetPaths
from ferbench.errors import InputError
from ferbench.files import digest, md5_file

__all__ = ["FaceTable", "PackedDataset", "face_table", "open_dataset"]


@dataclass(frozen=True)
class FaceTable:
    """The labelled faces of one split.

    Args:
        frame: image_id, face (its number in the image, from 0), cls, cx, cy, w, h (fractions of the
            image); sorted by image_id and face, which identify a face together. With raters also
            votes, see `ferbench.artifacts.datasets`.
        classes: class names in the order of `cls`.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]

    @property
    def vote_shares(self) -> NDArray[np.float32] | None:
        """Share of a face's votes for each class, (N, K); None if the data set has no raters.

        All are 0 for a face that has no vote for any of these classes.
        """
        if "votes" not in self.frame:
            return None
        shares = np.zeros((len(self.frame), len(self.classes)), np.float32)
        for face, votes in enumerate(self.frame["votes"]):
            if votes is not None and sum(votes):
                shares[face] = np.asarray(votes, np.float32) / sum(votes)
        return shares


def face_table(
    boxes: pd.DataFrame, split: pd.DataFrame, name: str, classes: tuple[str, ...]
) -> FaceTable:
    """Labelled faces of the images in one split.

    Args:
        boxes: as `ferbench.artifacts.datasets.read_boxes` gives it.
        split: image_id and split.
        name: train, val or test.
        classes: class names in the order of `cls`.
    """
    images = split.loc[split["split"] == name, "image_id"]
    frame = boxes[boxes["image_id"].isin(images)].sort_values(["image_id", "face"])
    return FaceTable(frame.reset_index(drop=True), classes)


@dataclass(frozen=True)
class PackedDataset:
    """A packed and split data set.

    Args:
        paths: of its files.
        boxes: all labelled faces, one row each.
        split: image_id and split.
        classes: class names in model order.
        protocol: that split it.
    """

    paths: DatasetPaths
    boxes: pd.DataFrame
    split: pd.DataFrame
    classes: tuple[str, ...]
    protocol: str

    @property
    def pack(self) -> Path:
        """Folder of the packed images."""
        return self.paths.pack

    @cached_property
    def digest(self) -> str:
        """Digest of images, faces and split; a run trained on other data has another."""
        files = (self.paths.boxes, self.paths.split, self.paths.split_summary)
        return digest([Pack(self.pack).digest, *(md5_file(path) for path in files)])

    def faces(self, split: str) -> FaceTable:
        """Labelled faces of train, val or test.

        Raises:
            InputError: there are none.
        """
        faces = face_table(self.boxes, self.split, split, self.classes)
        if faces.frame.empty:
            raise InputError(
                f"no face in split {split!r}",
                where=self.paths.key,
                remedy="choose another protocol, or a larger limit",
            )
        return faces


def open_dataset(dataset: str, seed: int, root: Path = Path()) -> PackedDataset:
    """Open what stages `pack`, `split` and `yolo_labels` wrote for a data set.

    Args:
        dataset: key of its row.
        seed: of the run; where the row draws a split for every seed, this one's is taken.
        root: of the project.

    Raises:
        InputError: a file is missing.
    """
    paths = DatasetPaths(dataset, root)
    summary = read_split_summary(paths)
    Pack(paths.pack)  # raises if it is missing or damaged
    return PackedDataset(
        paths=paths,
        boxes=read_boxes(paths),
        split=read_split(paths, seed),
        classes=tuple(summary.classes),
        protocol=summary.protocol,
    )
