"""Images of unknown origin, opened strictly: a file decodes as a whole, or it is told why not.

Pillow decodes, because it raises where OpenCV returns a grey remainder. Orientation tags are not
applied: boxes are given in the pixels as they are stored.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from ferbench.files import md5_file

__all__ = ["Checked", "check_image", "check_images", "decode"]

MAX_PIXELS = 50_000_000
# Below this many images a pool of processes costs more than it saves.
_POOL_FROM = 2_000
_CHUNK = 128


@dataclass(frozen=True)
class Checked:
    """A readable image.

    Args:
        md5: of the file's bytes.
        width: in pixels.
        height: in pixels.
        channels: 1 for grey, 3 for colour; alpha is not counted.
    """

    md5: str
    width: int
    height: int
    channels: int


class _UnusableError(Exception):
    """An image that cannot be used; the message is the reason."""


def check_image(path: Path, min_side_px: int) -> Checked | str:
    """What a file holds, or the reason why it is no usable image."""
    try:
        # Pillow warns of large images, which are checked here, and of tags, which are not read.
        with warnings.catch_warnings(action="ignore"), _opened(path) as image:
            width, height = image.size
            if min(width, height) < min_side_px:
                raise _UnusableError(f"{width}x{height} px, a side is below {min_side_px} px")
            image.load()
            channels = 1 if _is_grey(image) else 3
        return Checked(md5_file(path), width, height, channels)
    except _UnusableError as reason:
        return str(reason)


def check_images(
    paths: Sequence[Path], min_side_px: int, workers: int | None = None
) -> list[Checked | str]:
    """`check_image` of every path, in their order, on all cores if there are many.

    Args:
        paths: of the files.
        min_side_px: smallest side that counts as usable.
        workers: processes; None takes one a core, and none for few images.
    """
    check = partial(check_image, min_side_px=min_side_px)
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if len(paths) >= _POOL_FROM else 1
    bar = partial(tqdm, total=len(paths), desc="check", unit=" images", file=sys.stderr)
    if workers <= 1:
        return list(bar(map(check, paths), disable=None))
    # Fresh processes: a fork of a process that has threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(bar(pool.map(check, paths, chunksize=_CHUNK), disable=None))


def decode(path: Path) -> NDArray[np.uint8]:
    """Pixels of an image file; safe to call in threads.

    Returns:
        (H, W, C), C 1 for grey images, 3 (RGB) for all others. What is transparent is white, of an
        animation the first picture is taken, 16 bits become 8.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no readable image.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with _opened(path) as image:
            pixels = np.asarray(_plain(image))
    except _UnusableError as reason:
        raise ValueError(f"{path}: {reason}") from reason
    return pixels.reshape(*pixels.shape[:2], -1)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file of a size that is safe to decode; all that is wrong is `_UnusableError`."""
    if not path.is_file():
        raise _UnusableError("absent")
    if path.stat().st_size == 0:
        raise _UnusableError("empty file")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _UnusableError(f"{image.width}x{image.height} px, more than {MAX_PIXELS}")
            yield image
    except _UnusableError:
        raise
    # Once ultralytics is imported, Pillow asks for one more plug-in before it gives up.
    except (UnidentifiedImageError, ImportError) as error:
        raise _UnusableError("no image of a known format") from error
    except Image.DecompressionBombError as error:
        raise _UnusableError(f"more than {MAX_PIXELS} pixels") from error
    # A hostile or broken file makes decoders raise almost anything.
    except Exception as error:
        raise _UnusableError(f"cannot be decoded: {error}") from error


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.reshape(image.getpalette() or [], (-1, 3))
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _plain(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    plain = "L" if _is_grey(image) else "RGB"
    if not image.has_transparency_data:
        return image.convert(plain)
    seen = image.convert("RGBA")
    white = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(white, seen).convert(plain)
