"""Pictures with their faces drawn in, saved beside others without overwriting any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferbench.artifacts.pack import Pixels
from ferbench.errors import InputError
from ferbench.files import PARTIAL, whole_file
from ferbench.serving.predictor import Face

__all__ = ["VideoFile", "annotated", "free_path", "save_picture"]

_LINE, _TEXT = (255, 196, 0), (0, 0, 0)  # amber, black on it
_KEPT = (".png", ".jpg", ".jpeg", ".webp", ".bmp")  # formats that are written as they came
_FONT_SHARE = 28  # the text's height is this part of the picture's


def annotated(image: Pixels, faces: Sequence[Face], names: Sequence[str] = ()) -> Pixels:
    """A picture (H, W, 3) with a box around every face, its emotion and that one's probability.

    Args:
        image: (H, W, C).
        faces: in it.
        names: of persons, one a face, before the emotion.
    """
    height, width = image.shape[:2]
    picture = Image.fromarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(10, min(height, width) // _FONT_SHARE))
    for number, face in enumerate(faces):
        box = np.array(face.box) * [width, height, width, height]
        draw.rectangle(box.tolist(), outline=_LINE, width=max(1, min(height, width) // 240))
        share = 100 * face.probabilities[face.emotion]
        text = f"{names[number]} {face.emotion}" if names else face.emotion
        text = f"{text} {share:.0f} %"
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        x = min(max(0.0, box[0]), max(0.0, width - right))
        y = max(0.0, box[1] - bottom - 2)
        draw.rectangle((x, y, x + right - left + 2, y + bottom + 2), fill=_LINE)
        draw.text((x + 1 - left, y + 1 - top / 2), text, fill=_TEXT, font=font)
    return np.asarray(picture)


def free_path(folder: Path, name: str) -> Path:
    """A path in a folder that no file has: `face.png`, or else `face_2.png`, `face_3.png`, ...

    It is made, empty, so that no other process takes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        stem, suffix = Path(name).stem, Path(name).suffix
        path = folder / (name if number == 1 else f"{stem}_{number}{suffix}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            number += 1
            continue
        return path


def save_picture(image: Pixels, folder: Path, source: str) -> Path:
    """Save a picture (H, W, 3) under the name of its source; the path that it got."""
    suffix = Path(source).suffix.lower()
    stem = Path(source).stem
    path = free_path(folder, stem + (suffix if suffix in _KEPT else ".png"))
    with whole_file(path) as temporary:
        Image.fromarray(image).save(temporary, format=_format(path))
    return path


def _format(path: Path) -> str:
    return {".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix, path.suffix[1:].upper())


class VideoFile:
    """An MP4 file of pictures; a killed process leaves none that looks complete.

    Args:
        folder: where it is put.
        source: that names it.
        rate: pictures a second.
    """

    def __init__(self, folder: Path, source: str, rate: float) -> None:
        self.path = free_path(folder, f"{Path(source.replace(':', '_')).stem}.mp4")
        self._partial = self.path.with_name(f"{PARTIAL}{os.getpid()}-{self.path.name}")
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, image: Pixels) -> None:
        """Add a picture (H, W, 3), RGB; all have one size.

        Raises:
            InputError: OpenCV cannot write MP4 files here.
        """
        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._partial), code, self._rate, size)
            if not self._writer.isOpened():
                raise InputError(
                    "OpenCV cannot write an MP4 file here", where=self.path, remedy="omit --save"
                )
        self._writer.write(np.ascontiguousarray(image[:, :, ::-1]))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.release()
        if self._partial.is_file():
            self._partial.replace(self.path)
        else:
            self.path.unlink(missing_ok=True)
