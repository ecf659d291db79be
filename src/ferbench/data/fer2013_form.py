"""FER2013 in its two forms; FER2013 and FER+ are both read through it.

Folders: `train/<class>/Training_<id>.jpg`, `test/<class>/{PublicTest,PrivateTest}_<id>.jpg`. Table:
`fer2013.csv` (or `icml_face_data.csv`) with emotion, pixels and Usage, from which images are made
once, named by their row: `Training_row00012.png`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ferbench.data.layout import (
    emotion_of,
    find_files,
    find_folder,
    folders,
    image_ids,
    images,
)
from ferbench.data.source import Fault
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
        emotion: by FER2013's own label.
        split: train, val or test.
        row: zero-based row of the original table; None if the copy does not say.
    """

    image_id: str
    path: str
    file: str
    emotion: str
    split: str
    row: int | None


def list_images(root: Path) -> list[FerImage]:
    """All images, in the order of their paths.

    PublicTest is val, unless the copy has no PrivateTest: then it is the only test there is.

    Raises:
        InputError: there is no train/ folder, or a class is unknown.
    """
    top = find_folder(root, ["train"])
    if top is None:
        raise _no_form(root)
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


def _no_form(root: Path) -> InputError:
    return InputError(
        f"neither train/<class>/ nor {' or '.join(_TABLES)}",
        where=root,
        remedy="set the row's `archive:` to FER2013 in one of these forms",
    )


def images_from_table(root: Path) -> None:
    """Write the images of the table in `root`, if there is one and no folder form, and remove it.

    Rows that hold no image are listed in `rejected_rows.csv`.

    Raises:
        InputError: the table has not the columns emotion, pixels and Usage.
    """
    tables = [path for name in _TABLES for path in find_files(root, name)]
    if not tables or find_folder(root, ["train"]):
        return
    rejected: list[tuple[str, str]] = []
    for number, cells in enumerate(_rows(tables[0])):
        try:
            _write_image(root, number, cells)
        except (ValueError, LookupError) as error:
            # The file's line: rows count from 0, after the header.
            rejected.append((f"{tables[0].name}, row {number + 2}", str(error)))
    with (root / _REJECTED).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "reason"), *rejected])
    tables[0].unlink()


def _rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Emotion code, pixels and usage of each row; headers may have blanks before their words."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [word.strip() for word in next(rows, [])]
            if missing := [w for w in ("emotion", "pixels", "Usage") if w not in header]:
                raise InputError(
                    f"no column {', '.join(missing)}",
                    where=table,
                    remedy="put the competition's table there, whose first line is "
                    "`emotion,pixels,Usage`",
                )
            places = [header.index(word) for word in ("emotion", "pixels", "Usage")]
            for row in rows:
                cells = [row[place].strip() if place < len(row) else "" for place in places]
                yield cells[0], cells[1], cells[2]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"no readable table: {error}",
            where=table,
            remedy="get it again, and save it as UTF-8 with commas if you have edited it",
        ) from error


def _write_image(root: Path, number: int, cells: tuple[str, str, str]) -> None:
    """Write one row's image.

    Raises:
        ValueError: a cell is not of the published form.
    """
    code, text, usage = cells
    if usage not in _USAGES:
        raise ValueError(f"Usage {usage[:40]!r} is none of {', '.join(_USAGES)}")
    if code not in map(str, range(len(_CODES))):
        raise ValueError(f"emotion {code[:40]!r} is none of 0 to {len(_CODES) - 1}")
    try:
        pixels = bytes(map(int, text.split()))
    except ValueError:
        raise ValueError("a pixel is no whole number from 0 to 255") from None
    if len(pixels) != SIDE_PX * SIDE_PX:
        raise ValueError(f"{len(pixels)} pixels, not {SIDE_PX * SIDE_PX}")
    folder = root / ("train" if usage == "Training" else "test") / _CODES[int(code)]
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.frombytes("L", (SIDE_PX, SIDE_PX), pixels)
    image.save(folder / f"{usage}_row{number:05d}.png")


def rejected_rows(root: Path) -> list[Fault]:
    """Rows of the table that held no image."""
    path = root / _REJECTED
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [Fault(row["path"], row["reason"]) for row in csv.DictReader(file)]
