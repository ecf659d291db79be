"""Annotated faces as boxes in pixels inside their image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ferbench.data.source import Box, Record

__all__ = ["Placed", "place_faces"]

# Fractions are printed with few digits; their product with the width may be half a pixel off.
ROUNDING_PX = 0.5
MIN_SIDE_PX = 1.0


@dataclass(frozen=True)
class Placed:
    """The faces of one image.

    Args:
        faces: as the index stores them.
        clipped: how many boxes left the image and were cut at its border.
        faults: what is wrong with each face that was left out.
    """

    faces: list[dict[str, Any]]
    clipped: int
    faults: list[str]


def place_faces(record: Record, width: int, height: int) -> Placed:
    """Boxes in pixels, cut at the border; an image without boxes is one face as a whole."""
    if not record.faces:
        whole = Box(0, 0, width, height, record.emotion)
        return Placed([_face(whole)], 0, [])
    faces, clipped, faults = [], 0, []
    scale_x, scale_y = (width, height) if record.normalised else (1, 1)
    tolerance = ROUNDING_PX if record.normalised else 0.0
    for number, box in enumerate(record.faces):
        left, right = box.left * scale_x, box.right * scale_x
        top, bottom = box.top * scale_y, box.bottom * scale_y
        inside = Box(max(left, 0), max(top, 0), min(right, width), min(bottom, height), box.emotion)
        excess = max(-left, -top, right - width, bottom - height)
        if not math.isfinite(excess) or _side(inside) < MIN_SIDE_PX:
            faults.append(f"face {number} has no area inside the image")
            continue
        clipped += excess > tolerance
        faces.append(_face(inside))
    return Placed(faces, clipped, faults)


def _side(box: Box) -> float:
    return min(box.right - box.left, box.bottom - box.top)


def _face(box: Box) -> dict[str, Any]:
    return {
        "left": float(box.left),
        "top": float(box.top),
        "right": float(box.right),
        "bottom": float(box.bottom),
        "emotion": box.emotion,
    }
