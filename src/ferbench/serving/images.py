"""Pictures from anywhere as pixels, within limits.

The header is read here and the pixels are decoded by `ferbench.data.images`, as for a data set: in
a process of its own that the kernel ends if a file takes too long or crashes the decoder. Other
than for a data set, whose boxes refer to the stored pixels, the orientation that a camera notes in
EXIF is applied.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ferbench.data.decoding import FORMATS, MAX_PIXELS, ORIENTATION
from ferbench.data.images import decode
from ferbench.errors import InputError, causes

__all__ = ["ImageLimits", "read_image"]

_REMEDY = f"give a whole picture in one of the formats {', '.join(FORMATS)}"


@dataclass(frozen=True)
class ImageLimits:
    """What is accepted as a picture; checked before any pixel is decoded.

    Args:
        max_bytes: size of the file.
        max_pixels: width times height; at most the decoder's own limit of 50 million.
        min_side_px: shortest side.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = MAX_PIXELS
    min_side_px: int = 8


def read_image(
    source: bytes | str | Path, limits: ImageLimits | None = None, *, name: str | None = None
) -> NDArray[np.uint8]:
    """The pixels of a picture, upright.

    Args:
        source: content of a picture file, or its path.
        limits: bounds; None for the defaults.
        name: what messages call the picture; None for its path, or `picture`.

    Returns:
        (H, W, C), C 1 for grey pictures, 3 (RGB) for all others, CMYK included. Transparent pixels
        become white, 16 bits become 8, and of an animation the first frame is returned.

    Raises:
        InputError: there is no such file, it is no picture of a known format, damaged, empty, or
            outside the limits.
    """
    limits = limits or ImageLimits()
    path = None if isinstance(source, bytes) else Path(source)
    name = name or ("picture" if path is None else str(path))
    content = source if isinstance(source, bytes) else _content(Path(source), limits, name)
    if not content:
        raise InputError("empty file", where=name, remedy=_REMEDY)
    if len(content) > limits.max_bytes:
        raise _too_long(name, len(content), limits)
    orientation = _checked_header(content, limits, name)
    if path is not None:
        return _upright(_pixels(path, name), orientation)
    with _as_file(content) as file:
        return _upright(_pixels(file, name), orientation)


def _content(path: Path, limits: ImageLimits, name: str) -> bytes:
    """At most one byte more of a regular file than is allowed."""
    if not path.is_file():
        what = "not a regular file" if path.exists() else "no such file"
        raise InputError(what, where=name, remedy="give the path of a picture")
    try:
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=name) from error


def _too_long(name: str, size: int, limits: ImageLimits) -> InputError:
    return InputError(
        f"{size} bytes or more, at most {limits.max_bytes} are accepted",
        where=name,
        remedy="make the picture smaller",
    )


def _checked_header(content: bytes, limits: ImageLimits, name: str) -> int:
    """EXIF orientation of a picture whose header is in order and within the limits."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            (width, height), orientation = image.size, _orientation(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, "far more", limits) from error
    except Exception as error:  # a hostile or broken file makes parsers raise almost anything
        # ultralytics lets `Image.open` try another library, whose absence is the error then.
        if any(isinstance(link, UnidentifiedImageError) for link in causes(error)):
            what = "not an image of a known format"
            raise InputError(what, where=name, remedy=_REMEDY) from error
        raise InputError(f"cannot be decoded: {error}", where=name, remedy=_REMEDY) from error
    if width * height > limits.max_pixels:
        raise _too_large(name, f"{width}x{height}", limits)
    if min(width, height) < limits.min_side_px:
        raise InputError(
            f"{width}x{height} px, a side is below {limits.min_side_px} px",
            where=name,
            remedy="give a larger picture",
        )
    return orientation


def _orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened file, 1 to 8; 1 if there is none or the decoder applies it.

    `Image.getexif` would decode the pixels of some formats.
    """
    content = image.info.get("exif")
    if content is None or image.format == "TIFF":
        return 1
    exif = Image.Exif()
    exif.load(content)
    orientation = exif.get(ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def _too_large(name: str, size: str, limits: ImageLimits) -> InputError:
    return InputError(
        f"{size} pixels, at most {limits.max_pixels} are accepted",
        where=name,
        remedy="make the picture smaller",
    )


@contextmanager
def _as_file(content: bytes) -> Iterator[Path]:
    """A path of the content for the decoding process; in memory where the system can."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("picture"), "wb", closefd=True) as file:  # noqa: PTH123
            file.write(content)
            file.flush()
            yield Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def _pixels(path: Path, name: str) -> NDArray[np.uint8]:
    try:
        return decode(path)
    except (ValueError, FileNotFoundError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(reason, where=name, remedy=_REMEDY) from error


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo the rotation and reflection of an EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
