"""Drawings: shapes in a face's own coordinates, converted to pixels under a pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from synthfaces.landmarks import Points
from synthfaces.person import RGB

__all__ = ["OUTLINE", "Drawing", "Pose"]

OUTLINE = float("nan")  # the lift of what turning does not move

Lift = float | NDArray[np.float64]

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

    def project(self, points: Points, lift: NDArray[np.float64] | None = None) -> Points:
        """Pixels of some points (n, 2); parts that stand out move more (parallax).

        Args:
            points: in the face's coordinates.
            lift: (n,) how far they stand out of the face's surface; NaN, or None for all: they
                are on the outline, which turning does not move.
        """
        x, y = points[:, 0], points[:, 1]
        if lift is not None:
            front, flat = np.maximum(0.0, 1 - (x / 1.1) ** 2 - (y / 1.6) ** 2), np.isnan(lift)
            z = _DEPTH * np.sqrt(front) + lift
            x = np.where(flat, x, x * np.cos(self.yaw) + z * np.sin(self.yaw))
            y = np.where(flat, y, y * np.cos(self.pitch) + z * np.sin(self.pitch))
        cos, sin = np.cos(self.roll) * self.scale, np.sin(self.roll) * self.scale
        return np.stack([self.x + x * cos - y * sin, self.y + x * sin + y * cos], axis=1)


class _Shape(NamedTuple):
    """`thick` is the width of a line, 0 for a filled shape, None for shade of strength `amount`."""

    points: Points
    lift: Lift
    colour: RGB
    thick: float | None
    amount: float


class Drawing:
    """A face as a list of shapes, back to front.

    Nothing is drawn before `layers` is called, because moving all points at once is much faster.
    `lift` is how far a shape, or each of its points, stands out of the face's surface; `OUTLINE`:
    it belongs to the outline.
    """

    def __init__(self) -> None:
        self._shapes: list[_Shape] = []

    def fill(self, points: Points, colour: RGB, lift: Lift = 0.0) -> None:
        """Add a filled polygon."""
        self._shapes.append(_Shape(points, lift, colour, 0.0, 0.0))

    def line(self, points: Points, colour: RGB, thick: float = 0.03, lift: Lift = 0.0) -> None:
        """Add an open line, `thick` in half widths of the face."""
        self._shapes.append(_Shape(points, lift, colour, thick, 0.0))

    def shade(self, points: Points, amount: float, lift: Lift = 0.0) -> None:
        """Make a polygon darker (below 0) or lighter, by a fraction; its edge will be soft."""
        self._shapes.append(_Shape(points, lift, (0, 0, 0), None, amount))

    def _pixels(self, pose: Pose, supersample: int) -> list[NDArray[np.int32]]:
        """The points of every shape as OpenCV's fixed-point numbers; pixel centres are whole."""
        ends = np.cumsum([len(shape.points) for shape in self._shapes]).tolist()
        spans = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        lift, factor = np.empty(ends[-1]), np.empty(ends[-1])
        for shape, span in zip(self._shapes, spans, strict=True):
            lift[span] = shape.lift
            factor[span] = 1 if shape.thick is None else supersample
        points = np.concatenate([shape.points for shape in self._shapes])
        pixels = pose.project(points, lift) * factor[:, None] - 0.5
        fixed = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        return [fixed[span] for span in spans]

    def layers(
        self, width: int, height: int, pose: Pose, supersample: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The face on a transparent background, and its shading.

        Args:
            width: of the picture in pixels.
            height: of the picture in pixels.
            pose: the head's.
            supersample: how many times larger colour is drawn; shade is soft and needs none.

        Returns:
            Colour times opacity with opacity (H, W, 4) in [0, 1], and the factor of shade (H, W).
        """
        ink = np.zeros((height * supersample, width * supersample, 4), np.uint8)
        soft = np.full((height, width), 128, np.uint8)
        for shape, place in zip(self._shapes, self._pixels(pose, supersample), strict=True):
            colour = (*shape.colour, 255)
            if shape.thick is None:
                value = min(max(int(128 * (1 + shape.amount)), 0), 255)
                cv2.fillPoly(soft, [place], value, cv2.LINE_AA, _SHIFT)
            elif shape.thick:
                wide = max(1, round(shape.thick * pose.scale * supersample))
                cv2.polylines(ink, [place], False, colour, wide, cv2.LINE_8, _SHIFT)
            else:
                cv2.fillPoly(ink, [place], colour, cv2.LINE_8, _SHIFT)
        ink = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(soft, (0, 0), max(0.4, 0.075 * pose.scale))
        return ink.astype(np.float32) / 255, soft.astype(np.float32) / 128
