"""A split data set in the folder layout that YOLO trainers read as it is.

`images/<split>/` and `labels/<split>/` hold one image and one text file per image_id (a line per
face, `class cx cy w h` as fractions), `dataset.yaml` names splits and classes, and `boxes.parquet`
holds the same boxes as a table for our own loaders.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from tqdm import tqdm

from ferbench.artifacts.datasets import BOX, SPLITS, boxes_of
from ferbench.data.images import decode, read_header
from ferbench.errors import InputError
from ferbench.files import fresh_folder

__all__ = ["write_yolo"]

# Formats that OpenCV and Pillow agree upon, JPEG up to rounding; all else is rewritten as PNG.
READABLE = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "BMP": (".bmp",), "WEBP": (".webp",)}
END_OF_JPEG = b"\xff\xd9"


def write_yolo(
    index: pd.DataFrame, split: pd.DataFrame, classes: Sequence[str], raw: Path, folder: Path
) -> None:
    """Write the layout of YOLO trainers, as a whole or not at all.

    Images are hard links to the raw files where the file system allows it. Those that the trainers
    would refuse, repair or rotate by their orientation tag become PNG files with the same pixels.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        split: image_id and split (train, val, test).
        classes: class names in the order of their numbers.
        raw: folder that the index's paths start from.
        folder: where the layout is put.

    Raises:
        InputError: an image is missing or cannot be decoded.
    """
    rows = split[["image_id", "split"]].merge(index, on="image_id", validate="one_to_one")
    rows = rows.sort_values("image_id", ignore_index=True)
    boxes = boxes_of(rows, classes)
    lines: dict[str, str] = defaultdict(str)
    for image_id, cls, *box in boxes[["image_id", "cls", *BOX]].itertuples(index=False):
        lines[image_id] += " ".join([str(cls), *(f"{value:.8f}" for value in box)]) + "\n"
    with fresh_folder(folder) as place:
        for kind in ("images", "labels"):
            for name in SPLITS:
                (place / kind / name).mkdir(parents=True)
        columns = zip(rows["image_id"], rows["path"], rows["split"], strict=True)
        for image_id, path, name in tqdm(columns, "yolo", len(rows), unit=" images", disable=None):
            _place_image(raw / path, place / "images" / name / image_id)
            label = place / "labels" / name / f"{image_id}.txt"
            label.write_text(lines[image_id], encoding="utf-8")
        boxes.to_parquet(place / "boxes.parquet", index=False)
        # Without a `path` key ultralytics starts from the file's own folder, wherever that is.
        tree = {name: f"images/{name}" for name in SPLITS} | {"names": dict(enumerate(classes))}
        text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
        (place / "dataset.yaml").write_text(text, encoding="utf-8")


def _place_image(source: Path, target: Path) -> None:
    """Put an image at `target` plus a suffix: linked if trainers read it correctly, else as PNG."""
    try:
        if not _is_plain(source):
            pixels = decode(source)
            plain = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
            png = target.with_name(f"{target.name}.png")
            Image.fromarray(np.ascontiguousarray(plain)).save(png)
            return
        linked = target.with_name(target.name + source.suffix.lower())
        try:
            linked.hardlink_to(source.resolve())
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, linked)
    except FileNotFoundError as error:
        raise InputError("missing", where=source, remedy="fetch the data set again") from error
    except ValueError as error:
        raise InputError(str(error), remedy="run `dvc repro dedup` again") from error


def _is_plain(source: Path) -> bool:
    """Whether ultralytics reads what `decode` gives and leaves the file alone."""
    try:
        header = read_header(source)
    except ValueError:  # `decode` reports the reason
        return False
    plain = (
        header.mode in ("L", "RGB")
        and not header.transparent
        and header.frames == 1
        and header.orientation == 1
        and source.suffix.lower() in READABLE.get(header.format, ())
    )
    if not plain or header.format != "JPEG":
        return plain
    with source.open("rb") as file:  # ultralytics rewrites a JPEG file with bytes after its end
        file.seek(-len(END_OF_JPEG), os.SEEK_END)
        return file.read() == END_OF_JPEG
