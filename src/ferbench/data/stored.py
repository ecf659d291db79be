"""What the data stages left for one data set, opened for a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferbench.data.units import Units, split_of_seed, units
from ferbench.errors import InputError
from ferbench.files import digest, md5_file, read_json

__all__ = ["Stored", "open_stored"]


@dataclass(frozen=True)
class Stored:
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

    def side(self, name: str) -> Units:
        """Labelled faces of train, val or test.

        Raises:
            InputError: there are none.
        """
        faces = units(self.boxes, self.split, name, self.classes)
        if faces.frame.empty:
            raise InputError(
                f"no face on side {name!r}",
                where=self.pack.name,
                remedy="take another protocol, or a larger limit",
            )
        return faces


def open_stored(dataset: str, seed: int, root: Path = Path("data")) -> Stored:
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
    return Stored(
        pack=pack,
        boxes=pd.read_parquet(boxes),
        split=split_of_seed(pd.read_parquet(split), seed),
        classes=tuple(described["classes"]),
        protocol=described["protocol"],
        digest=digest([md5_file(path) for path in parts]),
    )
