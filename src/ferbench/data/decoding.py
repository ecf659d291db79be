"""Image decoding by Pillow in a separate process, which `ferbench.data.images` starts.

The kernel ends the process when a file takes too long: `SIGALRM` keeps its default action, which
runs no Python byte code and therefore also ends a decoder that loops in C or holds the interpreter
lock. A decoder that crashes ends this process and not the stage. Nothing else is bounded: the
process has the user's rights, and waiting that the kernel does not interrupt (a lost network drive)
is not ended.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ferbench.files import md5_file

__all__ = ["FORMATS", "MAX_PIXELS", "READY", "Answer", "serve"]

# Formats of `ferbench.data.ingest.layout.SUFFIXES`. Pillow decides by content, and
# PostScript would be run by Ghostscript.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MAX_PIXELS = 50_000_000
ORIENTATION = 0x0112  # EXIF tag; 1 is upright
READY = b"ready"
_DEEPEST = 65535  # largest value of a pixel of 16 bits

Answer = tuple[dict[str, Any], NDArray[np.uint8] | None]


class _UnusableError(Exception):
    """An image that cannot be used; the message is the reason."""


def serve(connection: Connection) -> None:
    """Answer requests until the other end is closed.

    A request is JSON with `task` (check, decode or header), `path`, `limit_s` and `min_side_px`.
    The answer is JSON, with only `reason` if the file is not a usable image. The answer to `decode`
    gives the `shape` of the pixels, which follow it.
    """
    # Ctrl-C is handled by the stage, which then closes its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    # Pillow warns about large images, which are checked here, and tags, which are not read.
    warnings.simplefilter("ignore")
    connection.send_bytes(READY)
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, request["limit_s"])
        answer, pixels = _answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send_bytes(json.dumps(answer).encode())
        if pixels is not None:
            connection.send_bytes(pixels.data.cast("B"))


def _answer(request: dict[str, Any]) -> Answer:
    try:
        return _TASKS[request["task"]](Path(request["path"]), request["min_side_px"])
    except _UnusableError as reason:
        return {"reason": str(reason)}, None


def _check(path: Path, min_side_px: int) -> Answer:
    with _opened(path) as image:
        width, height = image.size
        if min(width, height) < min_side_px:
            raise _UnusableError(f"{width}x{height} px, a side is below {min_side_px} px")
        # The same work as `decode`, so that it fails for no image that passed.
        channels = len(_plain(image).getbands())
    return {"md5": md5_file(path), "width": width, "height": height, "channels": channels}, None


def _decode(path: Path, min_side_px: int) -> Answer:
    del min_side_px
    with _opened(path) as image:
        pixels = np.ascontiguousarray(_plain(image))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return {"shape": pixels.shape}, pixels


def _header(path: Path, min_side_px: int) -> Answer:
    del min_side_px
    with _opened(path) as image:
        return {
            "format": image.format,
            "mode": image.mode,
            "transparent": image.has_transparency_data,
            "frames": getattr(image, "n_frames", 1),
            "orientation": image.getexif().get(ORIENTATION, 1),
        }, None


_TASKS: dict[str, Callable[[Path, int], Answer]] = {
    "check": _check,
    "decode": _decode,
    "header": _header,
}


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file of a size that is safe to decode; any failure raises `_UnusableError`."""
    try:
        if not path.is_file():
            special = path.exists() and not path.is_dir()
            raise _UnusableError("not a regular file" if special else "absent")
        if path.stat().st_size == 0:
            raise _UnusableError("empty file")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _UnusableError(f"{image.width}x{image.height} px, more than {MAX_PIXELS}")
            yield image
    except _UnusableError:
        raise
    except UnidentifiedImageError as error:
        raise _UnusableError("not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise _UnusableError(f"more than {MAX_PIXELS} pixels") from error
    # A hostile or broken file makes decoders raise almost anything.
    except Exception as error:
        raise _UnusableError(f"cannot be decoded: {error}") from error


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.reshape(image.getpalette() or [], (-1, 3))
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La")


def _plain(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode == "F":
        raise _UnusableError("pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        return _eight_bits(np.asarray(image))
    plain = "L" if _is_grey(image) else "RGB"
    if not image.has_transparency_data:
        return image.convert(plain)
    seen = image.convert("RGBA")
    white = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(white, seen).convert(plain)


def _eight_bits(pixels: NDArray[Any]) -> Image.Image:
    """16-bit grey as 8-bit grey; wider integers have no known range."""
    least, most = int(pixels.min()), int(pixels.max())
    if least < 0 or most > _DEEPEST:
        raise _UnusableError(f"pixels are from {least} to {most}, outside of 16 bits")
    return Image.fromarray((pixels // 257).astype(np.uint8))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
