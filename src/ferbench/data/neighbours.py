"""Faces as vectors of pixels, and the nearest of them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from ferbench.data.pack import Pack

__all__ = ["NEIGHBOURS", "SIDE_PX", "Faces", "look", "right"]

SIDE_PX = 48  # of FER2013's and CK+48's own images


@dataclass(frozen=True)
class Faces:
    """Faces of a data set.

    Args:
        pixels: (faces, SIDE_PX squared), grey.
        cls: (faces,), class numbers.
        image_id: (faces,), of the image that each is on.
    """

    pixels: NDArray[np.uint8]
    cls: NDArray[np.int64]
    image_id: pd.Series

    def parts(self, of_image: pd.Series) -> NDArray[Any]:
        """The part of each face, which is its image's."""
        return self.image_id.map(of_image).to_numpy()


def look(boxes: pd.DataFrame, pack: Pack) -> Faces:
    """Faces cut out of packed images.

    Args:
        boxes: image_id, cls, cx, cy, w, h (fractions).
        pack: the images.
    """
    pixels = np.empty((len(boxes), SIDE_PX**2), np.uint8)
    corners = zip(boxes["image_id"], *_corners(boxes), strict=True)
    for row, (image_id, left, top, right, bottom) in zip(pixels, corners, strict=True):
        row[:] = _grey_crop(pack.image(image_id), left, top, right, bottom).ravel()
    return Faces(pixels, boxes["cls"].to_numpy(), boxes["image_id"])


def _corners(boxes: pd.DataFrame) -> list[pd.Series]:
    """Left, top, right, bottom of each box, as fractions."""
    cx, cy, w, h = (boxes[column] for column in ("cx", "cy", "w", "h"))
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def _grey_crop(
    image: NDArray[np.uint8], left: float, top: float, right: float, bottom: float
) -> NDArray[np.uint8]:
    """A box (fractions) of an image, at least a pixel wide and high, as SIDE_PX x SIDE_PX grey."""
    height, width = image.shape[:2]
    x, y = (min(round(left * width), width - 1), min(round(top * height), height - 1))
    crop = image[y : max(round(bottom * height), y + 1), x : max(round(right * width), x + 1)]
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.shape[2] == 3 else crop[:, :, 0]
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))


def _raw(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32)


def _standardised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each face with mean 0 and deviation 1, so that light and contrast have no say."""
    centred = pixels - pixels.mean(axis=1, keepdims=True, dtype=np.float32)
    scale = np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
    return np.asarray(centred / scale, np.float32)


# What is measured, and the pixels that its distances are taken between.
NEIGHBOURS = MappingProxyType(
    {"nearest_neighbour": _raw, "nearest_neighbour_standardised": _standardised}
)


def right(
    faces: Faces, name: str, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the nearest training face of each test face is of its class.

    Args:
        faces: all faces.
        name: a key of `NEIGHBOURS`.
        train: (faces,), those that are looked through.
        test: (faces,), those that are looked up.
    """
    see = NEIGHBOURS[name]
    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    model.fit(see(faces.pixels[train]), faces.cls[train])
    guessed = model.predict(see(faces.pixels[test]))
    return np.asarray(guessed == faces.cls[test])
