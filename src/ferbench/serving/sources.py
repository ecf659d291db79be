"""Paths of a command line as pictures: files, folders, patterns, videos, cameras."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ferbench.artifacts.pack import Pixels
from ferbench.data.ingest.layout import SUFFIXES
from ferbench.errors import InputError

__all__ = ["Frame", "Video", "camera_number", "find_sources", "is_video", "open_video"]

CAMERA = "webcam"
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
_LEAST_RATE = 1.0  # pictures a second; some files state none


def is_video(source: str) -> bool:
    """Whether a source is a camera, or a file with the suffix of a video."""
    return camera_number(source) is not None or source.lower().endswith(VIDEO_SUFFIXES)


def camera_number(source: str) -> int | None:
    """The number of a camera, written `webcam` (the first one) or `webcam:NUMBER`.

    >>> camera_number("webcam:1"), camera_number("webcam"), camera_number("face.jpg")
    (1, 0, None)
    """
    name, _, number = source.partition(":")
    if name != CAMERA or not (number or "0").isdecimal() or Path(source).exists():
        return None
    return int(number or "0")


def find_sources(paths: Iterable[str]) -> list[str]:
    """Files, and cameras, that a command line names; each once, in the given order.

    Args:
        paths: of pictures and videos, of folders (searched with their subfolders, in the order of
            the names), patterns with `*`, `?` or `[...]`, and cameras.

    Raises:
        InputError: there is no such file, or a folder or pattern gives none.
    """
    found: dict[str, None] = {}
    for path in paths:
        found |= dict.fromkeys(_of(path))
    return list(found)


def _of(path: str) -> list[str]:
    if camera_number(path) is not None or Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        files = _usable(map(str, Path(path).rglob("*")))
        if not files:
            raise InputError(
                "the folder holds no picture and no video",
                where=path,
                remedy=f"known suffixes are {' '.join(sorted({*SUFFIXES, *VIDEO_SUFFIXES}))}",
            )
        return files
    # Not `Path.glob`, which takes no absolute pattern.
    matches = _usable(glob.glob(path, recursive=True))  # noqa: PTH207
    if not matches:
        raise InputError(
            "no such file or folder, and no file fits it as a pattern",
            where=path,
            remedy="give a picture, a video, a folder, a pattern, or `webcam`",
        )
    return matches


def _usable(paths: Iterable[str]) -> list[str]:
    """The pictures and videos among paths, sorted."""
    known = {*SUFFIXES, *VIDEO_SUFFIXES}
    return sorted(p for p in paths if Path(p).suffix.lower() in known and Path(p).is_file())


@dataclass(frozen=True)
class Frame:
    """A picture of a video.

    Args:
        number: from 0, of all pictures of the video.
        time_s: since the first picture.
        image: (H, W, 3), RGB.
    """

    number: int
    time_s: float
    image: Pixels


class Video:
    """The pictures of a video file or a camera, one after another.

    Args:
        source: path, or a camera.
        every: only every so many pictures.
        seconds: stops after so long; None for the end of the file.
    """

    def __init__(self, source: str, every: int = 1, seconds: float | None = None) -> None:
        self.source, self.every, self.seconds = source, every, seconds
        number = camera_number(source)
        self.live = number is not None
        self._capture = cv2.VideoCapture(source if number is None else number)
        if not self._capture.isOpened():
            self._capture.release()
            what = "no such camera" if self.live else "no video that OpenCV can read"
            remedy = "plug one in, or name another number" if self.live else "convert it to MP4"
            raise InputError(what, where=source, remedy=remedy)
        self.rate = max(float(self._capture.get(cv2.CAP_PROP_FPS) or 0), _LEAST_RATE)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frames = None if self.live or count <= 0 else -(-count // every)

    def __iter__(self) -> Iterator[Frame]:
        begin = time.monotonic()
        number = -1
        while self._capture.grab():
            number += 1
            at = time.monotonic() - begin if self.live else number / self.rate
            if self.seconds is not None and at > self.seconds:
                return
            if number % self.every:
                continue
            is_read, picture = self._capture.retrieve()
            if not is_read:
                continue
            yield Frame(number, at, np.ascontiguousarray(picture[:, :, ::-1]))

    def close(self) -> None:
        """Let go of the file or the camera."""
        self._capture.release()


@contextmanager
def open_video(source: str, every: int, seconds: float | None) -> Iterator[Video]:
    """A video that is closed in the end."""
    with closing(Video(source, every, seconds)) as video:
        yield video
