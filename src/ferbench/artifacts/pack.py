"""All images of a data set in one memory-mapped file: training opens one file and not 30,000.

`images.bin` holds the pixels (H, W, C, uint8) of one image after another; `images.parquet` says
where each one is: image_id, offset, height, width, channels; `images.md5` is the MD5 of
`images.bin`, computed as it was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.errors import InputError
from ferbench.files import digest, fresh_folder, md5_file

__all__ = ["Pack", "Pixels", "write_pack"]

_PIXELS, _TABLE, _MD5 = "images.bin", "images.parquet", "images.md5"
_COLUMNS = ["image_id", "offset", "height", "width", "channels"]

Pixels = NDArray[np.uint8]


def write_pack(folder: Path, images: Iterable[tuple[str, Pixels]]) -> None:
    """Write a pack, as a whole or not at all.

    Args:
        folder: where the pack is put.
        images: id and pixels (H, W, C) of each, in the order of the file.
    """
    rows = []
    md5 = hashlib.md5(usedforsecurity=False)
    with fresh_folder(folder) as place:
        with (place / _PIXELS).open("wb") as file:
            for image_id, image in images:
                pixels = np.ascontiguousarray(image).data
                rows.append((image_id, file.tell(), *image.shape))
                file.write(pixels)
                md5.update(pixels)
        pd.DataFrame(rows, columns=_COLUMNS).to_parquet(place / _TABLE, index=False)
        (place / _MD5).write_text(md5.hexdigest(), encoding="ascii")


class Pack:
    """A pack, read image by image without loading it.

    Safe to hand to other processes: each opens the file for itself at its first image.

    Args:
        folder: as `write_pack` wrote it.

    Raises:
        InputError: there is no pack, or its files do not fit each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not all((self.folder / name).is_file() for name in (_PIXELS, _TABLE, _MD5)):
            raise InputError("no pack", where=folder, remedy="run `dvc repro pack`")
        table = pd.read_parquet(self.folder / _TABLE)
        self.ids: list[str] = table["image_id"].tolist()
        self._places = dict(zip(self.ids, table[_COLUMNS[1:]].to_numpy().tolist(), strict=True))
        self._bytes: Pixels | None = None
        expected = int(table["offset"].iloc[-1] + table.iloc[-1, 2:].astype("int64").prod())
        if (self.folder / _PIXELS).stat().st_size != expected:
            raise InputError(
                f"{_PIXELS} has not the {expected} bytes that {_TABLE} lists",
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
            self._bytes = np.asarray(np.memmap(self.folder / _PIXELS, dtype=np.uint8, mode="r"))
        offset, height, width, channels = self._places[image_id]
        size = height * width * channels
        return self._bytes[offset : offset + size].reshape(height, width, channels)

    @property
    def digest(self) -> str:
        """Digest of all ids and pixels; the pixels are not read again."""
        md5 = (self.folder / _MD5).read_text(encoding="ascii")
        return digest([md5, md5_file(self.folder / _TABLE)])
