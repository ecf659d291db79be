"""A split data set in the folder layout that YOLO trainers read as it is.

`images/<side>/` and `labels/<side>/` hold one image and one text file an image_id (a line a face,
`class cx cy w h` as fractions), `dataset.yaml` names sides and classes, and `boxes.parquet` holds
the same boxes as a table for our own loaders.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from tqdm import tqdm

from ferbench.data.images import decode, read_header
from ferbench.data.split import SIDES
from ferbench.errors import InputError
from ferbench.files import fresh_folder

__all__ = ["boxes_of", "write_yolo"]

# Formats that OpenCV and Pillow agree upon, JPEG up to rounding; all else is written anew as PNG.
READABLE = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "BMP": (".bmp",), "WEBP": (".webp",)}
END_OF_JPEG = b"\xff\xd9"


def write_yolo(
    index: pd.DataFrame, split: pd.DataFrame, classes: list[str], raw: Path, folder: Path
) -> None:
    """Lay a split data set out for YOLO trainers, as a whole or not at all.

    Images are hard links to the raw files where the file system allows it. Those that the trainers
    would refuse, mend or turn by their orientation tag become PNG files with the same pixels.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        split: image_id and split (train, val, test).
        classes: class names in the order of their numbers.
        raw: folder that the index's paths start from.
        folder: where the layout is put.

    Raises:
        InputError: an image is absent or cannot be decoded.
    """
    rows = split[["image_id", "split"]].merge(index, on="image_id", validate="one_to_one")
    rows = rows.sort_values("image_id", ignore_index=True)
    boxes = boxes_of(rows, classes)
    lines = _lines(boxes)
    with fresh_folder(folder) as place:
        for kind in ("images", "labels"):
            for side in SIDES:
                (place / kind / side).mkdir(parents=True)
        columns = zip(rows["image_id"], rows["path"], rows["split"], strict=True)
        for image_id, path, side in tqdm(columns, "yolo", len(rows), unit=" images", disable=None):
            _place_image(raw / path, place / "images" / side / image_id)
            label = place / "labels" / side / f"{image_id}.txt"
            label.write_text(lines[image_id], encoding="utf-8")
        boxes.to_parquet(place / "boxes.parquet", index=False)
        _write_yaml(place / "dataset.yaml", classes)


def boxes_of(index: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """All faces of an index as fractions of their images.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        classes: class names in the order of their numbers.

    Returns:
        image_id, face (from 0, in the image's order), cls, emotion, cx, cy, w, h; index order.
    """
    faces = index[["image_id", "width", "height", "faces"]].explode("faces", ignore_index=True)
    box = pd.DataFrame(faces["faces"].tolist())
    return pd.DataFrame(
        {
            "image_id": faces["image_id"],
            "face": faces.groupby("image_id").cumcount(),
            "cls": box["emotion"].map({emotion: i for i, emotion in enumerate(classes)}),
            "emotion": box["emotion"],
            "cx": (box["left"] + box["right"]) / 2 / faces["width"],
            "cy": (box["top"] + box["bottom"]) / 2 / faces["height"],
            "w": (box["right"] - box["left"]) / faces["width"],
            "h": (box["bottom"] - box["top"]) / faces["height"],
        }
    )


def _lines(boxes: pd.DataFrame) -> dict[str, str]:
    """The text of each image's label file."""
    lines: dict[str, str] = defaultdict(str)
    columns = (boxes[column] for column in ("image_id", "cls", "cx", "cy", "w", "h"))
    for image_id, cls, cx, cy, w, h in zip(*columns, strict=True):
        lines[image_id] += f"{cls} {cx:.8f} {cy:.8f} {w:.8f} {h:.8f}\n"
    return lines


def _place_image(source: Path, target: Path) -> None:
    """Put an image at `target` plus a suffix: linked if trainers take it as it is, else PNG."""
    try:
        if _taken_as_it_is(source):
            _link(source, target.with_name(target.name + source.suffix.lower()))
        else:
            pixels = decode(source)
            plain = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
            Image.fromarray(np.ascontiguousarray(plain)).save(
                target.with_name(f"{target.name}.png")
            )
    except FileNotFoundError as error:
        raise InputError("absent", where=source, remedy="fetch the data set again") from error
    except ValueError as error:
        raise InputError(str(error), remedy="run `dvc repro dedup` anew") from error


def _taken_as_it_is(source: Path) -> bool:
    """Whether ultralytics sees what `decode` gives and leaves the file alone."""
    try:
        header = read_header(source)
    except ValueError:
        # `decode` tells the reason.
        return False
    plain = (
        header.mode in ("L", "RGB")
        and not header.transparent
        and header.frames == 1
        and header.orientation == 1
    )
    jpeg = header.format == "JPEG"
    suffixes = READABLE.get(header.format, ())
    return plain and source.suffix.lower() in suffixes and not (jpeg and not _whole_jpeg(source))


def _whole_jpeg(source: Path) -> bool:
    """Whether the file ends where the image does; ultralytics rewrites JPEG files that do not."""
    with source.open("rb") as file:
        file.seek(-len(END_OF_JPEG), os.SEEK_END)
        return file.read() == END_OF_JPEG


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source.resolve())
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _write_yaml(path: Path, classes: list[str]) -> None:
    """Without a `path` key ultralytics starts from the file's own folder, wherever that is."""
    tree = {
        **{side: f"images/{side}" for side in SIDES},
        "names": dict(enumerate(classes)),
    }
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
