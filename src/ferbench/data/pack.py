"""Decode the images of an index once, into a pack."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from ferbench.artifacts.pack import Pixels, write_pack
from ferbench.data.images import decode
from ferbench.errors import InputError

__all__ = ["pack_images"]

# Images decoded ahead of the writer; bounds the memory.
AHEAD = 32


def pack_images(
    index: pd.DataFrame, raw: Path, folder: Path, max_side_px: int | None = None, threads: int = 4
) -> None:
    """Decode all images of an index into a pack, as a whole or not at all.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        raw: folder that the index's paths start from.
        folder: where the pack is put.
        max_side_px: longer sides are scaled down to it (areas averaged); None keeps all sizes.
        threads: number of decoding threads.

    Raises:
        InputError: an image is missing, unreadable or of another size than the index says.
    """
    rows = index.sort_values("image_id")
    read = partial(_read, raw=raw, max_side_px=max_side_px)

    def images(pool: ThreadPoolExecutor) -> Iterator[Pixels]:
        for start in range(0, len(rows), AHEAD):
            yield from pool.map(read, rows.iloc[start : start + AHEAD].itertuples())

    with ThreadPoolExecutor(threads) as pool:
        progress = tqdm(images(pool), "pack", len(rows), unit=" images", disable=None)
        write_pack(folder, zip(rows["image_id"], progress, strict=True))


def _read(row: Any, raw: Path, max_side_px: int | None) -> Pixels:
    """The pixels of one row's image, scaled down if a side is too long."""
    path = raw / row.path
    try:
        image = decode(path)
    except FileNotFoundError as error:
        raise InputError("missing", where=path, remedy="fetch the data set again") from error
    except ValueError as error:
        raise InputError(str(error), remedy="run `dvc repro dedup` again") from error
    height, width = image.shape[:2]
    if (height, width) != (row.height, row.width):
        raise InputError(
            f"is {width} x {height} pixels, {row.width} x {row.height} in the index",
            where=path,
            remedy="raw data was edited: fetch it again and run `dvc repro dedup`",
        )
    scale = (max_side_px or np.inf) / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Pixels = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small.reshape(size[1], size[0], -1)
