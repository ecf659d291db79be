"""All images of a data set in one memory-mapped file: training opens one file and not 30,000.

`images.bin` holds the pixels (H, W, C, uint8) of one image after another; `images.parquet` says
where each one is: image_id, offset, height, width, channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from ferbench.data.images import decode
from ferbench.errors import InputError
from ferbench.files import fresh_folder

__all__ = ["Pack", "pack_images"]

PIXELS, TABLE = "images.bin", "images.parquet"
# Images decoded ahead of the writer; bounds the memory.
AHEAD = 32

Pixels = NDArray[np.uint8]


def pack_images(
    index: pd.DataFrame, raw: Path, folder: Path, max_side_px: int | None = None, threads: int = 4
) -> None:
    """Decode all images of an index into a pack, as a whole or not at all.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        raw: folder that the index's paths start from.
        folder: where the pack is put.
        max_side_px: longer sides are scaled down to it (areas averaged); None keeps all sizes.
        threads: that decode side by side.

    Raises:
        InputError: an image is absent, unreadable or of another size than the index says.
    """
    rows = index.sort_values("image_id")
    read = partial(_read, raw=raw, max_side_px=max_side_px)
    with fresh_folder(folder) as place, (place / PIXELS).open("wb") as file:
        with ThreadPoolExecutor(threads) as pool:
            batches = (rows.iloc[i : i + AHEAD] for i in range(0, len(rows), AHEAD))
            images = chain.from_iterable(pool.map(read, b.itertuples()) for b in batches)
            shapes = list(
                _append(tqdm(images, "pack", len(rows), unit=" images", disable=None), file)
            )
        table = pd.DataFrame(shapes, columns=["offset", "height", "width", "channels"])
        table.insert(0, "image_id", rows["image_id"].to_numpy())
        table.to_parquet(place / TABLE, index=False)


def _append(images: Iterable[Pixels], file: BinaryIO) -> Iterator[tuple[int, int, int, int]]:
    """Write images one after another; yields the offset and shape of each."""
    for image in images:
        yield (file.tell(), *image.shape)
        file.write(np.ascontiguousarray(image).data)


def _read(row: Any, raw: Path, max_side_px: int | None) -> Pixels:
    path = raw / row.path
    try:
        image = decode(path)
    except FileNotFoundError as error:
        raise InputError("absent", where=path, remedy="fetch the data set again") from error
    except ValueError as error:
        raise InputError(str(error), remedy="run `dvc repro dedup` anew") from error
    height, width = image.shape[:2]
    if (height, width) != (row.height, row.width):
        raise InputError(
            f"is {width} x {height} pixels, {row.width} x {row.height} in the index",
            where=path,
            remedy="raw data was edited: fetch it again and run `dvc repro dedup` anew",
        )
    scale = (max_side_px or np.inf) / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Pixels = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small.reshape(size[1], size[0], -1)


class Pack:
    """A pack, read image by image without loading it.

    Safe to hand to other processes: each opens the file for itself at its first image.

    Args:
        folder: as `pack_images` wrote it.

    Raises:
        InputError: there is no pack, or its two files do not fit each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / TABLE).is_file():
            raise InputError("no pack", where=folder, remedy="run `dvc repro pack`")
        table = pd.read_parquet(self.folder / TABLE)
        self.ids: list[str] = table["image_id"].tolist()
        self._places = dict(
            zip(
                self.ids,
                table[["offset", "height", "width", "channels"]].to_numpy().tolist(),
                strict=True,
            )
        )
        self._bytes: Pixels | None = None
        expected = int(table["offset"].iloc[-1] + table.iloc[-1, 2:].astype("int64").prod())
        if (self.folder / PIXELS).stat().st_size != expected:
            raise InputError(
                f"{PIXELS} has not the {expected} bytes that {TABLE} tells of",
                where=folder,
                remedy="run `dvc repro --force pack`",
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bytes": None}

    def image(self, image_id: str) -> Pixels:
        """Pixels (H, W, C) of an image, a read-only view of the file.

        Raises:
            KeyError: the pack has no such image.
        """
        if self._bytes is None:
            self._bytes = np.asarray(np.memmap(self.folder / PIXELS, dtype=np.uint8, mode="r"))
        offset, height, width, channels = self._places[image_id]
        size = height * width * channels
        return self._bytes[offset : offset + size].reshape(height, width, channels)
