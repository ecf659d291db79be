"""What counts as a usable image, and that many processes find the same as one."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferbench.data.images import Checked, check_image, check_images


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(10)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def test_good_image_is_measured(tmp_path: Path, draw: Callable[..., Path]) -> None:
    path = draw(tmp_path / "a.png", size=(40, 30), mode="RGB")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    assert check_image(path, 16) == Checked(md5, 40, 30, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16"])
def test_every_mode_is_accepted(tmp_path: Path, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    suffix = "tif" if mode == "CMYK" else "png"
    Image.fromarray(noise).convert("L" if mode == "I;16" else mode).convert(mode).save(
        tmp_path / f"a.{suffix}"
    )
    found = check_image(tmp_path / f"a.{suffix}", 16)
    assert isinstance(found, Checked)
    assert found.channels == (1 if mode in ("L", "LA", "1", "I;16") else 3)


def test_animation_is_accepted(tmp_path: Path) -> None:
    frames = [Image.new("L", (20, 20), grey) for grey in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert isinstance(check_image(tmp_path / "a.gif", 16), Checked)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_image_is_told(
    tmp_path: Path, draw: Callable[..., Path], suffix: str, part: float
) -> None:
    path = draw(tmp_path / f"a.{suffix}", size=(64, 64), mode="RGB")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert isinstance(check_image(path, 16), str)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "no image"),
        (b"\x00" * 500, "no image"),
        (_png_header(1, 1), "below 16 px"),
        (_png_header(8000, 8000), "more than 50000000"),
        (_png_header(12000, 12000), "more than 50000000"),
        (_png_header(60000, 60000), "more than 50000000"),
        (_png_header(100, 100), "cannot be decoded"),
    ],
)
def test_unusable_file_is_told_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    found = check_image(tmp_path / "a.png", 16)
    assert isinstance(found, str)
    assert reason in found


def test_absent_file_and_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "b.png").mkdir()
    assert check_image(tmp_path / "a.png", 16) == "absent"
    assert check_image(tmp_path / "b.png", 16) == "absent"


def test_many_processes_find_what_one_finds(tmp_path: Path, draw: Callable[..., Path]) -> None:
    paths = [draw(tmp_path / f"{i}.png", i) for i in range(300)]
    paths[7].write_bytes(b"")
    paths[250].write_bytes(paths[250].read_bytes()[:200])
    alone = check_images(paths, 16, workers=1)
    assert check_images(paths, 16, workers=2) == alone
    assert sum(isinstance(found, str) for found in alone) == 2


def test_ultralytics_plug_in_changes_no_reason(tmp_path: Path) -> None:
    import ultralytics.utils.patches  # noqa: F401  # puts its own opener in the place of Pillow's

    (tmp_path / "a.png").write_bytes(b"<html>not found</html>")
    assert check_image(tmp_path / "a.png", 16) == "no image of a known format"
