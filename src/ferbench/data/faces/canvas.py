"""A picture under way: shapes in a face's own coordinates, seen under a pose, put down as colour and shade."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ferbench.data.faces.anatomy import RGB
from ferbench.data.faces.landmarks import Points

__all__ = ["Canvas", "Pose"]

_SHIFT = 4  # fractional bits of a drawn coordinate
_DEPTH = 0.75  # of the face's front before its outline, in half widths


@dataclass(frozen=True)
class Pose:
    """How a head is held and where it is.

    Args:
        yaw: radians, positive when the nose moves to the right of the picture.
        pitch: radians, positive when the nose moves down.
        roll: radians, positive clockwise.
        x: of the face's centre, in pixels of the picture.
        y: of the face's centre, in pixels of the picture.
        scale: pixels per half width of the face.
    """

    yaw: float
    pitch: float
    roll: float
    x: float
    y: float
    scale: float

    def project(self, points: Points, lift: float | None = 0.0) -> Points:
        """Pixels of some points (n, 2); parts that stand out move more (parallax).

        Args:
            points: in the face's coordinates.
            lift: how far they stand out of the face's surface; None: they are on the outline, which
                turning does not move.
        """
        x, y = points[:, 0], points[:, 1]
        if lift is not None:
            round_ = np.sqrt(np.maximum(0.0, 1 - (x / 1.1) ** 2 - (y / 1.6) ** 2))
            z = _DEPTH * round_ + lift
            x = x * np.cos(self.yaw) + z * np.sin(self.yaw)
            y = y * np.cos(self.pitch) + z * np.sin(self.pitch)
        cos, sin = np.cos(self.roll) * self.scale, np.sin(self.roll) * self.scale
        return np.stack([self.x + x * cos - y * sin, self.y + x * sin + y * cos], axis=1)


class Canvas:
    """A transparent picture of one face.

    Colour is drawn `supersample` times too large; shade at the final size, as it is soft anyway.

    Args:
        width: pixels of the final picture.
        height: pixels of the final picture.
        pose: the head's.
        supersample: by how much the drawing is larger.
    """

    def __init__(self, width: int, height: int, pose: Pose, supersample: int = 4) -> None:
        self.pose, self.supersample = pose, supersample
        self._ink = np.zeros((height * supersample, width * supersample, 4), np.uint8)
        self._shade = np.full((height, width), 128, np.uint8)

    def _pixels(self, points: Points, lift: float | None, factor: int) -> NDArray[np.int32]:
        # A pixel's centre has whole coordinates in OpenCV, hence the half.
        pixels = self.pose.project(points, lift) * factor - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def fill(self, points: Points, colour: RGB, lift: float | None = 0.0) -> None:
        """Fill a polygon."""
        pixels = self._pixels(points, lift, self.supersample)
        cv2.fillPoly(self._ink, [pixels], (*colour, 255), cv2.LINE_8, _SHIFT)

    def line(
        self, points: Points, colour: RGB, thick: float = 0.03, lift: float | None = 0.0
    ) -> None:
        """Draw an open line, `thick` in half widths of the face."""
        pixels = self._pixels(points, lift, self.supersample)
        width = max(1, round(thick * self.pose.scale * self.supersample))
        cv2.polylines(self._ink, [pixels], False, (*colour, 255), width, cv2.LINE_8, _SHIFT)

    def shade(self, points: Points, amount: float, lift: float | None = 0.0) -> None:
        """Make a polygon darker (below 0) or lighter, by a fraction; its edge will be soft."""
        pixels = self._pixels(points, lift, 1)
        value = int(np.clip(128 * (1 + amount), 0, 255))
        cv2.fillPoly(self._shade, [pixels], value, cv2.LINE_AA, _SHIFT)

    def layers(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Colour times opacity with opacity (H, W, 4) in [0, 1], and the factor of shade (H, W)."""
        height, width = self._shade.shape
        ink = cv2.resize(self._ink, (width, height), interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(self._shade, (0, 0), max(0.4, 0.075 * self.pose.scale))
        return ink.astype(np.float32) / 255, soft.astype(np.float32) / 128
