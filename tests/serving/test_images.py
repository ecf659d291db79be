"""Pictures from anywhere: upright pixels, or a message that says what is wrong."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ferbench.data.images import decode
from ferbench.errors import InputError
from ferbench.serving.images import ImageLimits, read_image

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)


def stored(pixels: Any, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, form, **options)
    return file.getvalue()


def test_colours_and_grey_are_the_stored_pixels(tmp_path: Path) -> None:
    assert np.array_equal(read_image(stored(COLOURS)), COLOURS)
    assert np.array_equal(read_image(stored(GREY)), GREY[:, :, None])
    path = tmp_path / "face.png"
    path.write_bytes(stored(COLOURS))
    assert np.array_equal(read_image(path), COLOURS)
    assert np.array_equal(read_image(str(path)), decode(path))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_applies_it(orientation: int, form: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = stored(COLOURS, form, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(content), expected)


def test_transparent_pixels_become_white() -> None:
    pixels = np.dstack([COLOURS, np.zeros((20, 30), np.uint8)])
    assert (read_image(stored(pixels)) == 255).all()


def test_16_bits_become_8() -> None:
    deep = (GREY.astype(np.uint16) * 257).astype(np.uint16)
    assert np.array_equal(read_image(stored(deep)), GREY[:, :, None])


def test_cmyk_becomes_rgb() -> None:
    content = stored(Image.fromarray(COLOURS).convert("CMYK"), "TIFF")
    assert np.array_equal(read_image(content), COLOURS)


def test_first_frame_of_an_animation_is_read() -> None:
    frames = [Image.fromarray(np.full((10, 10), value, np.uint8)) for value in (10, 200)]
    content = stored(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (read_image(content) == 10).all()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that states a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"no picture at all", "not an image of a known format"),
        (b"%!PS-Adobe-3.0\nshowpage\n", "not an image of a known format"),
        (stored(COLOURS)[:900], "cannot be decoded"),
        (stored(COLOURS, "JPEG")[:-200], "cannot be decoded"),
        (png_header(9_000, 9_000), "9000x9000 pixels, at most 50000000 are accepted"),
        (png_header(60_000, 60_000), "pixels, at most 50000000 are accepted"),
        (stored(COLOURS[:4]), "30x4 px, a side is below 8 px"),
        (stored(GREY.astype(np.float32), "TIFF"), "floating-point"),
    ],
)
def test_bad_picture_is_refused_by_name_with_a_remedy(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_image(content, name="holiday.jpg")
    assert caught.value.where == "holiday.jpg"
    assert caught.value.remedy


def test_limits_hold_before_pixels_are_decoded() -> None:
    content = stored(COLOURS)
    with pytest.raises(InputError, match="at most 599 are accepted"):
        read_image(content, ImageLimits(max_pixels=599))
    assert read_image(content, ImageLimits(max_pixels=600)).shape == (20, 30, 3)
    with pytest.raises(InputError, match=f"at most {len(content) - 1} are accepted"):
        read_image(content, ImageLimits(max_bytes=len(content) - 1))


def test_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.jpg: no such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(InputError, match="not a regular file"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")  # reading it would never end
    with pytest.raises(InputError, match="not a regular file"):
        read_image(tmp_path / "pipe.jpg")


def test_reading_content_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read_image(stored(COLOURS))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delattr(os, "memfd_create")
    assert np.array_equal(read_image(stored(COLOURS)), COLOURS)
    assert list(tmp_path.iterdir()) == []
