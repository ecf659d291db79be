"""A whole head, drawn back to front, and the box of its face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ferbench.data.faces.anatomy import RGB, Person, mix
from ferbench.data.faces.canvas import Canvas, Pose
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

__all__ = ["Bounds", "Look", "draw_head", "face_bounds"]

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


def draw_body(canvas: Canvas, person: Person, look: Look) -> None:
    """Neck and shoulders."""
    neck = np.array([(-0.5, 0.7), (0.5, 0.7), (0.55, 1.75), (-0.55, 1.75)])
    canvas.fill(neck, mix(person.skin, (50, 20, 15), 0.22), None)
    right = np.array([(0.5, 1.5), (1.2, 1.75), (1.75, 2.1), (1.9, 3.2)])
    shoulders = np.concatenate([right, (right * (-1, 1))[::-1]])
    canvas.fill(shoulders, look.shirt, None)


def draw_face(canvas: Canvas, person: Person, units: Units, look: Look) -> None:
    """The face proper: all inside `face_bounds`."""
    canvas.fill(outline(person, units), person.skin, None)
    eyes = eye(person, units, 0, look.gaze), eye(person, units, 1, look.gaze)
    lips = mouth(person, units)
    draw_beard(canvas, person, units)
    for side in (0, 1):
        sign = 2 * side - 1
        canvas.shade(ring(sign * person.eye_x, person.eye_y - 0.1, 0.28, 0.2, 16), -0.16)
        canvas.shade(np.array([(sign * 0.9, 0.2), (sign * 0.6, 0.9), (sign * 0.9, 1.1)]), -0.10)
    draw_nose(canvas, person, units)
    draw_folds(canvas, person, units, lips)
    for side in (0, 1):
        draw_eye(canvas, person, eyes[side], person.age)
        draw_brow(canvas, person, units, side)
    draw_mouth(canvas, person, lips, units)
    draw_moustache(canvas, person, lips)
    draw_glasses(canvas, person, eyes)


def draw_head(canvas: Canvas, person: Person, units: Units, look: Look) -> None:
    """Head, hair and shoulders."""
    draw_back(canvas, person)
    draw_body(canvas, person, look)
    for sign in (-1, 1):
        ear = ring(sign * 1.0 * person.width, -0.05, 0.13, 0.26, 16)
        canvas.fill(ear, mix(person.skin, (120, 40, 30), 0.15), None)
    draw_face(canvas, person, units, look)
    draw_front(canvas, person)
    brim = smooth(np.array([(-0.9, -1.0), (0, -1.2), (0.9, -1.0)]))
    canvas.shade(np.concatenate([brim, brim[::-1] + (0, 0.15)]), -0.06, None)
