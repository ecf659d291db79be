"""What tests of data sets share: pictures drawn on the spot, and zip files of folders."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    """Write a picture that differs from all others of another seed."""

    def _draw(path: Path, seed: int = 0, size: tuple[int, int] = (48, 48), mode: str = "L") -> Path:
        noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).convert(mode).save(path)
        return path

    return _draw


@pytest.fixture
def zipped() -> Callable[[Path, Path], Path]:
    """Pack a folder's content into a zip file."""

    def _zipped(folder: Path, archive: Path) -> Path:
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(folder.rglob("*")):
                file.write(path, path.relative_to(folder))
        return archive

    return _zipped
