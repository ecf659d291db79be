"""A whole head, drawn back to front, and the box of its face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferbench.data.faces.anatomy import RGB, Person, mix
from ferbench.data.faces.drawing import OUTLINE, Drawing, Pose
from ferbench.data.faces.features import draw_brow, draw_eye, draw_folds, draw_mouth, draw_nose
from ferbench.data.faces.hair import (
    draw_back,
    draw_beard,
    draw_front,
    draw_glasses,
    draw_moustache,
    ring,
)
from ferbench.data.faces.landmarks import Points, eye, mouth, outline, smooth
from ferbench.data.faces.units import Units

__all__ = ["Bounds", "Look", "draw_face", "draw_head", "face_bounds"]

# left, top, right, bottom in pixels
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Look:
    """What changes from picture to picture and is no expression.

    Args:
        gaze: (2,) where the eyes look, in [-1, 1].
        shirt: colour of the clothes.
    """

    gaze: Points
    shirt: RGB


def face_bounds(person: Person, units: Units, pose: Pose) -> Bounds:
    """The smallest box around the face's outline, forehead to chin, without ears and hair."""
    edge = pose.project(outline(person, units), lift=None)
    (left, top), (right, bottom) = edge.min(axis=0), edge.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def draw_body(drawing: Drawing, person: Person, look: Look) -> None:
    """Neck and shoulders."""
    neck = np.array([(-0.5, 0.7), (0.5, 0.7), (0.55, 1.75), (-0.55, 1.75)])
    drawing.fill(neck, mix(person.skin, (50, 20, 15), 0.22), OUTLINE)
    right = np.array([(0.5, 1.5), (1.2, 1.75), (1.75, 2.1), (1.9, 3.2), (1.75, 6.5)])
    shoulders = np.concatenate([right, (right * (-1, 1))[::-1]])
    drawing.fill(shoulders, look.shirt, OUTLINE)


def draw_face(drawing: Drawing, person: Person, units: Units, look: Look) -> None:
    """The face proper: all inside `face_bounds`."""
    drawing.fill(outline(person, units), person.skin, OUTLINE)
    eyes = eye(person, units, 0, look.gaze), eye(person, units, 1, look.gaze)
    lips = mouth(person, units)
    for side in (0, 1):
        sign = 2 * side - 1
        drawing.shade(ring(sign * person.eye_x, person.eye_y - 0.1, 0.28, 0.2, 16), -0.16)
        drawing.shade(np.array([(sign * 0.9, 0.2), (sign * 0.6, 0.9), (sign * 0.9, 1.1)]), -0.10)
    draw_nose(drawing, person, units)
    draw_folds(drawing, person, units, lips)
    draw_beard(drawing, person, units)
    for side in (0, 1):
        draw_eye(drawing, person, eyes[side], person.age)
        draw_brow(drawing, person, units, side)
    draw_mouth(drawing, person, lips, units)
    draw_moustache(drawing, person, lips)


def draw_head(drawing: Drawing, person: Person, units: Units, look: Look) -> None:
    """Head, hair and shoulders."""
    draw_back(drawing, person)
    draw_body(drawing, person, look)
    for sign in (-1, 1):
        ear = ring(sign * 1.0 * person.width, -0.05, 0.13, 0.26, 16)
        drawing.fill(ear, mix(person.skin, (120, 40, 30), 0.15), OUTLINE)
    draw_face(drawing, person, units, look)
    draw_glasses(drawing, person)
    draw_front(drawing, person)
    brim = smooth(np.array([(-0.9, -1.0), (0, -1.2), (0.9, -1.0)]))
    drawing.shade(np.concatenate([brim, brim[::-1] + np.array((0, 0.15))]), -0.06, OUTLINE)
