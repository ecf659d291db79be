"""Where faces are: detectors of kept libraries, for classifiers, which take one face at a time.

- MTCNN: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
  Networks", IEEE SPL 2016, arXiv:1604.02878, by facenet-pytorch, whose package holds the weights;
- YuNet: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
  Research 2023, by libfacedetection, whose package yuface holds the weights (Linux and Windows on
  x86-64), or by OpenCV (`cv2.FaceDetectorYN`) with a file that has to be brought along,
  `face_detection_yunet_2023mar.onnx`.

`benchmarks/face_detectors.py` compares the two on ExpW: YuNet of yuface finds more of the labelled
faces, in an eighth of MTCNN's time.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ferbench.artifacts.pack import Pixels
from ferbench.errors import InputError

__all__ = [
    "MTCNN_NAME",
    "YUNET_NAME",
    "YUNET_VARIABLE",
    "FaceDetector",
    "FoundFaces",
    "face_detector",
]

MTCNN_NAME, YUNET_NAME = "mtcnn", "yunet"
YUNET_VARIABLE = "FERBENCH_YUNET"
# Longer pictures are shrunk: the cost grows with the area, and faces below some 20 px show no
# expression to a classifier.
_LONGEST_PX = 1280
_LEAST_FACE_PX = 20
_MTCNN_SCORES = (0.6, 0.7, 0.9)  # of the three stages; the library's last one is 0.7
_YUNET_SCORE, _YUNET_NMS, _YUNET_MOST = 0.7, 0.3, 5000
# yuface's YuNet finds faces from some 10 px on, half of what a classifier needs, so it is shown
# pictures of half their size: longer side 320 px at least, if the picture has as much, and 640 px
# at most.
_YUFACE_SHRINK, _YUFACE_LEAST_PX, _YUFACE_MOST_PX = 2, 320, 640
_YUFACE_SCORE = 0.6


@dataclass(frozen=True)
class FoundFaces:
    """The faces of one picture, best first.

    Args:
        xyxy: (F, 4), fractions of the picture, in it.
        score: (F,), from 0 to 1.
    """

    xyxy: NDArray[np.float64]
    score: NDArray[np.float64]


class FaceDetector(Protocol):
    """Finds faces; safe to call in threads."""

    @property
    def name(self) -> str:
        """For messages and records."""

    def __call__(self, image: Pixels) -> FoundFaces:
        """The faces of a picture (H, W, C), C 1 or 3 (RGB)."""


def face_detector(choice: str | Path | None = None) -> FaceDetector:
    """The face detector to use.

    Args:
        choice: `yunet` (of the package yuface), `mtcnn`, or the path of YuNet's file for OpenCV.
            None takes what the environment variable FERBENCH_YUNET names, and without it YuNet
            where yuface is installed, else MTCNN.

    Raises:
        InputError: the package is not installed; the file is absent or no face detector.
    """
    choice = choice or os.environ.get(YUNET_VARIABLE)
    if not choice:
        choice = YUNET_NAME if find_spec("yuface") else MTCNN_NAME
    if choice == MTCNN_NAME:
        return MTCNN()
    return PackagedYuNet() if choice == YUNET_NAME else YuNet(Path(choice))


class MTCNN:
    """MTCNN by facenet-pytorch, on the CPU."""

    name = MTCNN_NAME

    def __init__(self) -> None:
        from facenet_pytorch import MTCNN as Network  # noqa: N811

        self._network = Network(
            keep_all=True, min_face_size=_LEAST_FACE_PX, thresholds=list(_MTCNN_SCORES)
        ).eval()

    def __call__(self, image: Pixels) -> FoundFaces:
        """The faces of a picture."""
        picture = _bounded(image)
        if min(picture.shape[:2]) < _LEAST_FACE_PX:  # the library fails without a pyramid
            return _found(np.empty((0, 4)), np.empty(0), picture)
        with torch.inference_mode():
            corners, scores = self._network.detect(picture)
        if corners is None:
            return _found(np.empty((0, 4)), np.empty(0), picture)
        return _found(np.asarray(corners, float), np.asarray(scores, float), picture)


class PackagedYuNet:
    """YuNet by libfacedetection's package yuface, on the CPU.

    Raises:
        InputError: the package is not installed.
    """

    name = YUNET_NAME

    def __init__(self) -> None:
        try:
            # Its Python function warns of large pictures and cuts off what we need.
            from yuface.yuface import detect
        except ImportError as error:
            raise InputError(
                f"the face detector `{YUNET_NAME}` needs the package yuface ({error})",
                remedy="pip install yuface (Linux and Windows on x86-64), or use `mtcnn`",
            ) from error
        self._detect = detect
        self._lock = threading.Lock()  # the library keeps its layers between two calls

    def __call__(self, image: Pixels) -> FoundFaces:
        """The faces of a picture."""
        longest = max(image.shape[:2]) // _YUFACE_SHRINK
        picture = _bounded(image, min(max(longest, _YUFACE_LEAST_PX), _YUFACE_MOST_PX))
        with self._lock:
            rows = self._detect(np.ascontiguousarray(picture[:, :, ::-1]))  # BGR
        # A row is score (percent), left, top, width, height and five landmarks.
        rows = np.asarray(rows, float).reshape(-1, 16)
        rows = rows[rows[:, 0] >= 100 * _YUFACE_SCORE]
        corners = np.hstack([rows[:, 1:3], rows[:, 1:3] + rows[:, 3:5]])
        return _found(corners, rows[:, 0] / 100, picture)


class YuNet:
    """YuNet by OpenCV.

    Args:
        path: of its ONNX file.
    """

    name = YUNET_NAME

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(
                "no such file of the face detector YuNet",
                where=path,
                remedy="get face_detection_yunet_2023mar.onnx of OpenCV Zoo, or use `mtcnn`",
            )
        try:
            self._network = cv2.FaceDetectorYN.create(
                str(path), "", (320, 320), _YUNET_SCORE, _YUNET_NMS, _YUNET_MOST
            )
        except cv2.error as error:
            raise InputError(
                f"is no file of the face detector YuNet ({error.err})",
                where=path,
                remedy="get face_detection_yunet_2023mar.onnx of OpenCV Zoo, or use `mtcnn`",
            ) from error
        self._lock = threading.Lock()  # it keeps the size of the picture between two calls

    def __call__(self, image: Pixels) -> FoundFaces:
        """The faces of a picture."""
        picture = _bounded(image)
        with self._lock:
            self._network.setInputSize((picture.shape[1], picture.shape[0]))
            _, rows = self._network.detect(np.ascontiguousarray(picture[:, :, ::-1]))  # BGR
        if rows is None:
            return _found(np.empty((0, 4)), np.empty(0), picture)
        left_top, size = rows[:, :2], rows[:, 2:4]
        corners = np.hstack([left_top, left_top + size]).astype(float)
        return _found(corners, rows[:, -1].astype(float), picture)


def _bounded(image: Pixels, longest_px: int = _LONGEST_PX) -> Pixels:
    """A picture in RGB, its longer side at most `longest_px`."""
    height, width = image.shape[:2]
    scale = longest_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], -1)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _found(corners: NDArray[np.float64], score: NDArray[np.float64], picture: Pixels) -> FoundFaces:
    """Faces in pixels of a picture as fractions, clipped to it; those outside are left out."""
    height, width = picture.shape[:2]
    xyxy = np.clip(corners / [width, height, width, height], 0, 1)
    inside = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
    order = np.argsort(-score[inside], kind="stable")
    return FoundFaces(xyxy[inside][order], np.clip(score[inside][order], 0, 1))
