"""FER2013 in its two forms, as read by the sources FER2013 and FER+.

Folders: `train/<class>/Training_<id>.jpg`, `test/<class>/{PublicTest,PrivateTest}_<id>.jpg`. Table:
`fer2013.csv` (or `icml_face_data.csv`) with emotion, pixels and Usage, from which images are made
once, named by their row: `Training_row00012.png`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ferbench.data.ingest.layout import (
    emotion_of,
    find_files,
    find_folder,
    folders,
    image_ids,
    images,
    read_table,
)
from ferbench.data.ingest.source import Fault
from ferbench.errors import InputError

__all__ = ["EMOTIONS", "FerImage", "images_from_table", "list_images", "rejected_rows"]

EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")
SIDE_PX = 48
# Class words by the table's emotion code.
_CODES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
# The roles of the competition (Goodfellow et al., 2013): PublicTest was its validation set.
_USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_TABLES = ("fer2013.csv", "icml_face_data.csv")
_REJECTED = "rejected_rows.csv"
_ROW = re.compile(r"_row(\d+)$")


@dataclass(frozen=True)
class FerImage:
    """A file of FER2013.

    Args:
        image_id: folder, class and name; names alone are used twice.
        path: relative to the raw folder.
        file: relative to the folder that holds train/ and test/, as FER+ labels name it.
        emotion: FER2013's own label.
        split: train, val or test.
        row: zero-based row of the original table; None if the copy does not contain it.
    """

    image_id: str
    path: str
    file: str
    emotion: str
    split: str
    row: int | None


def list_images(root: Path) -> list[FerImage]:
    """All images, in the order of their paths.

    PublicTest is val, unless the copy has no PrivateTest: then it is the only test set.

    Raises:
        InputError: there is no train/ folder, or a class is unknown.
    """
    top = find_folder(root, ["train"])
    if top is None:
        raise InputError(
            f"neither train/<class>/ nor {' or '.join(_TABLES)}",
            where=root,
            remedy="set the row's `archive:` to FER2013 in one of these forms",
        )
    listed = [
        (path, emotion_of(folder.name, folder), _SPLITS[part.name.lower()])
        for part in folders(top)
        if part.name.lower() in _SPLITS
        for folder in folders(part)
        for path in images(folder)
    ]
    roles = dict(_USAGES)
    if not any(path.stem.startswith("PrivateTest_") for path, _, _ in listed):
        roles["PublicTest"] = "test"
    files = [path.relative_to(top).as_posix() for path, _, _ in listed]
    ids = image_ids([file.rsplit(".", 1)[0] for file in files], files)
    return [
        FerImage(
            image_id=image_id,
            path=path.relative_to(root).as_posix(),
            file=file,
            emotion=emotion,
            split=roles.get(path.stem.split("_")[0], split),
            row=int(match[1]) if (match := _ROW.search(path.stem)) else None,
        )
        for (path, emotion, split), file, image_id in zip(listed, files, ids, strict=True)
    ]


def images_from_table(root: Path) -> None:
    """Write the images of the table in `root`, if there is one and no folder form, and remove it.

    Rows without a valid image are listed in `rejected_rows.csv`.

    Raises:
        InputError: the table lacks one of the columns emotion, pixels and Usage.
    """
    tables = [path for name in _TABLES for path in find_files(root, name)]
    if not tables or find_folder(root, ["train"]):
        return
    remedy = "put the competition's table there, whose first line is `emotion,pixels,Usage`"
    rejected = []
    rows = read_table(tables[0], ("emotion", "pixels", "Usage"), remedy)
    for number, row in enumerate(rows):
        try:
            _write_image(root, number, row)
        except (ValueError, LookupError) as error:
            # The file's line: rows count from 0, after the header.
            rejected.append((f"{tables[0].name}, row {number + 2}", str(error)))
    with (root / _REJECTED).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "reason"), *rejected])
    tables[0].unlink()


def _write_image(root: Path, number: int, row: dict[str, str]) -> None:
    """Write one row's image.

    Raises:
        ValueError: a value does not have the published form.
    """
    code, usage = row["emotion"], row["Usage"]
    if usage not in _USAGES:
        raise ValueError(f"Usage {usage[:40]!r} is none of {', '.join(_USAGES)}")
    if code not in map(str, range(len(_CODES))):
        raise ValueError(f"emotion {code[:40]!r} is none of 0 to {len(_CODES) - 1}")
    try:
        pixels = bytes(map(int, row["pixels"].split()))
    except ValueError:
        raise ValueError("a pixel is not a whole number from 0 to 255") from None
    if len(pixels) != SIDE_PX * SIDE_PX:
        raise ValueError(f"{len(pixels)} pixels, not {SIDE_PX * SIDE_PX}")
    folder = root / ("train" if usage == "Training" else "test") / _CODES[int(code)]
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.frombytes("L", (SIDE_PX, SIDE_PX), pixels)
    image.save(folder / f"{usage}_row{number:05d}.png")


def rejected_rows(root: Path) -> list[Fault]:
    """Rows of the table without a valid image."""
    path = root / _REJECTED
    if not path.is_file():
        return []
    rows = read_table(path, ("path", "reason"), "fetch the data set again")
    return [Fault(row["path"], row["reason"]) for row in rows]
