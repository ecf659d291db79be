"""Strict decoding of untrusted images: a file decodes completely, or there is a reason why not.

Pillow decodes, because it raises where OpenCV returns a grey remainder. It reads only the formats
of `ferbench.data.decoding.FORMATS` and runs in separate processes, so that a file that hangs or
crashes a decoder is only an unusable image. EXIF orientation is not applied: boxes refer to the
pixels as they are stored.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ferbench.data.decoding import READY, Answer

__all__ = ["LIMIT_S", "Checked", "Header", "check_image", "check_images", "decode", "read_header"]

# Wall-clock seconds for one file. The largest accepted image decodes in about one.
LIMIT_S = 60.0
# Below this many images, starting more processes costs more than it saves.
_POOL_FROM = 2_000
# -P: no module of the working folder is imported instead.
_COMMAND = (sys.executable, "-P", "-m", "ferbench.data.decoding")


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


@dataclass(frozen=True)
class Header:
    """How an image is stored.

    Args:
        format: Pillow's name of the file format.
        mode: Pillow's name of the pixel format.
        transparent: whether pixels may be transparent.
        frames: number of frames.
        orientation: EXIF orientation; 1 is upright.
    """

    format: str
    mode: str
    transparent: bool
    frames: int
    orientation: int


def check_image(path: Path, min_side_px: int) -> Checked | str:
    """Size and MD5 of an image file, or the reason why it is unusable; safe to call in threads."""
    answer, _ = _ask("check", path, min_side_px)
    return answer["reason"] if "reason" in answer else Checked(**answer)


def check_images(
    paths: Sequence[Path], min_side_px: int, workers: int | None = None
) -> list[Checked | str]:
    """`check_image` of every path, in their order, on all cores if there are many.

    Args:
        paths: of the files.
        min_side_px: smallest usable side.
        workers: decoding processes; None means one per core, or one for few images.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if len(paths) >= _POOL_FROM else 1
    check = partial(check_image, min_side_px=min_side_px)
    # A thread waits for each decoding process.
    with ThreadPoolExecutor(max(1, workers)) as pool:
        checked = pool.map(check, paths)
        return list(tqdm(checked, "check", len(paths), unit=" images", disable=None))


def decode(path: Path) -> NDArray[np.uint8]:
    """Pixels of an image file; safe to call in threads.

    Returns:
        (H, W, C), C 1 for grey images, 3 (RGB) for all others. Transparent pixels become white, 16
        bits become 8, and of an animation the first frame is returned.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a readable image, or takes longer than `LIMIT_S`.
    """
    _, pixels = _ask_readable("decode", path)
    assert pixels is not None
    return pixels


def read_header(path: Path) -> Header:
    """Format and mode of an image file, without its pixels; safe to call in threads.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a readable image, or takes longer than `LIMIT_S`.
    """
    answer, _ = _ask_readable("header", path)
    return Header(**answer)


def _ask_readable(task: str, path: Path) -> Answer:
    answer, pixels = _ask(task, path)
    if "reason" in answer:
        reason = answer["reason"]
        raise FileNotFoundError(path) if reason == "absent" else ValueError(f"{path}: {reason}")
    return answer, pixels


class _Decoder:
    """A running `ferbench.data.decoding`."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [*_COMMAND, str(number)],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # The same packages as here, whatever put them on the path.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        try:
            started = self._connection.recv_bytes() == READY
        except (EOFError, ConnectionError):
            started = False
        if not started:
            self.stop()
            raise RuntimeError("the image decoder does not start; see its error above")

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def ask(self, request: bytes) -> Answer:
        """Its answer, or the reason if it ends instead."""
        try:
            self._connection.send_bytes(request)
            answer = json.loads(self._connection.recv_bytes())
            if "shape" not in answer:
                return answer, None
            pixels = np.empty(answer["shape"], np.uint8)
            self._connection.recv_bytes_into(pixels.data.cast("B"))
        except (EOFError, ConnectionError):
            return {"reason": _reason_of(self._process.wait())}, None
        return answer, pixels

    def stop(self) -> None:
        """Kill it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _reason_of(status: int) -> str:
    """The reason that an exit status stands for."""
    if status == -signal.SIGALRM:
        return f"not decoded within {LIMIT_S:g} s"
    if status < 0:
        return f"crashes the decoder ({signal.Signals(-status).name})"
    raise RuntimeError(f"the image decoder ended with status {status}; see its error above")


# Idle decoders by the process that started them: a fork must start its own.
_idle: dict[int, list[_Decoder]] = {}


def _ask(task: str, path: Path, min_side_px: int = 1) -> Answer:
    """Let a decoder of this process do a task; each thread that waits uses another one."""
    request = {
        "task": task,
        "path": str(path.absolute()),  # decoders keep the working directory they started in
        "min_side_px": min_side_px,
        "limit_s": LIMIT_S,
    }
    decoder = _take()
    try:
        answer = decoder.ask(json.dumps(request).encode())
    except BaseException:
        # Interrupted: its late answer would be taken for the answer to another request.
        decoder.stop()
        raise
    if decoder.alive:
        _idle[os.getpid()].append(decoder)
    else:
        decoder.stop()
    return answer


def _take() -> _Decoder:
    idle = _idle.setdefault(os.getpid(), [])
    while True:
        try:
            decoder = idle.pop()
        except IndexError:
            return _Decoder()
        if decoder.alive:
            return decoder
        decoder.stop()


@atexit.register
def _stop_idle() -> None:
    for decoder in _idle.pop(os.getpid(), []):
        decoder.stop()
