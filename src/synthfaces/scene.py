"""Whole pictures: an aligned crop of one face, and a scene with several, with boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthfaces.action_units import ActionUnits
from synthfaces.drawing import OUTLINE, Drawing, Pose
from synthfaces.features import draw_brow, draw_eye, draw_folds, draw_mouth, draw_nose
from synthfaces.hair import (
    draw_back,
    draw_beard,
    draw_front,
    draw_glasses,
    draw_moustache,
    ring,
)
from synthfaces.landmarks import eye, mouth, outline, smooth
from synthfaces.person import Person, mix
from synthfaces.photo import (
    Picture,
    Shot,
    compose,
    degrade,
    draw_background,
    draw_occluder,
)

__all__ = [
    "CROP_PX",
    "SCENE_PX",
    "Bounds",
    "Sitter",
    "draw_face",
    "draw_head",
    "face_bounds",
    "place_faces",
    "render_crop",
    "render_scene",
]

# left, top, right, bottom in pixels
Bounds = tuple[float, float, float, float]

CROP_PX = 48
SCENE_PX = (320, 240)

_FILL = 0.385  # half width of the face in a crop, as a share of the crop's side
_SMALLEST_PX, _LARGEST_PX = 26.0, 105.0  # height of a face in a scene
_HEIGHT = 2.62  # of a standard face, in half widths
_TRIES = 40  # places that are tried for one face of a scene


@dataclass(frozen=True)
class Sitter:
    """A person with an expression under the conditions of one picture."""

    person: Person
    units: ActionUnits
    shot: Shot

    def pose(self, x: float, y: float, scale: float) -> Pose:
        """The shot's pose with the face's centre at a pixel."""
        return Pose(self.shot.yaw, self.shot.pitch, self.shot.roll, x, y, scale)


def face_bounds(person: Person, units: ActionUnits, pose: Pose) -> Bounds:
    """The smallest box around the face's outline, forehead to chin, without ears and hair."""
    edge = pose.project(outline(person, units), lift=None)
    (left, top), (right, bottom) = edge.min(axis=0), edge.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _draw_body(drawing: Drawing, person: Person, shot: Shot) -> None:
    """Neck and shoulders."""
    neck = np.array([(-0.5, 0.7), (0.5, 0.7), (0.55, 1.75), (-0.55, 1.75)])
    drawing.fill(neck, mix(person.skin, (50, 20, 15), 0.22), OUTLINE)
    right = np.array([(0.5, 1.5), (1.2, 1.75), (1.75, 2.1), (1.9, 3.2), (1.75, 6.5)])
    shoulders = np.concatenate([right, (right * (-1, 1))[::-1]])
    drawing.fill(shoulders, shot.shirt, OUTLINE)


def draw_face(drawing: Drawing, person: Person, units: ActionUnits, shot: Shot) -> None:
    """The face proper: all inside `face_bounds`."""
    drawing.fill(outline(person, units), person.skin, OUTLINE)
    eyes = eye(person, units, 0, shot.gaze), eye(person, units, 1, shot.gaze)
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


def draw_head(sitter: Sitter) -> Drawing:
    """Head, hair and shoulders, back to front, and what covers the face."""
    drawing, person, units, shot = Drawing(), sitter.person, sitter.units, sitter.shot
    draw_back(drawing, person)
    _draw_body(drawing, person, shot)
    for sign in (-1, 1):
        ear = ring(sign * 1.0 * person.width, -0.05, 0.13, 0.26, 16)
        drawing.fill(ear, mix(person.skin, (120, 40, 30), 0.15), OUTLINE)
    draw_face(drawing, person, units, shot)
    draw_glasses(drawing, person)
    draw_front(drawing, person)
    brim = smooth(np.array([(-0.9, -1.0), (0, -1.2), (0.9, -1.0)]))
    drawing.shade(np.concatenate([brim, brim[::-1] + np.array((0, 0.15))]), -0.06, OUTLINE)
    draw_occluder(drawing, shot, person.skin)
    return drawing


def render_crop(
    sitter: Sitter, rng: np.random.Generator, side_px: int = CROP_PX
) -> NDArray[np.uint8]:
    """One face that fills the picture, nearly aligned, as grey (side, side).

    Args:
        sitter: who is shown.
        rng: for background and noise.
        side_px: of the square picture.
    """
    scale = _FILL * side_px * sitter.shot.zoom
    x, y = side_px * (0.5 + _FILL * sitter.shot.shift)
    pose = sitter.pose(float(x), float(y), scale)
    picture = draw_background(side_px, side_px, rng)
    picture = compose(picture, draw_head(sitter), pose, sitter.shot)
    grey = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    return degrade(grey, sitter.shot, rng)


def place_faces(sitters: list[Sitter], rng: np.random.Generator) -> list[Pose]:
    """Where some faces go in a scene: inside it and beside one another.

    Returns:
        At most as many poses as sitters, of the first ones.
    """
    poses: list[Pose] = []
    taken: list[Bounds] = []
    for sitter in sitters:
        for _ in range(_TRIES):
            high = float(np.exp(rng.uniform(np.log(_SMALLEST_PX), np.log(_LARGEST_PX))))
            x, y = rng.uniform((0, 0), SCENE_PX)
            pose = sitter.pose(float(x), float(y), high / _HEIGHT)
            bounds = face_bounds(sitter.person, sitter.units, pose)
            left, top, right, bottom = bounds
            inside = (
                left >= 1 and top >= 1 and right <= SCENE_PX[0] - 1 and bottom <= SCENE_PX[1] - 1
            )
            if inside and not any(_touch(bounds, other) for other in taken):
                poses.append(pose)
                taken.append(bounds)
                break
        else:
            break
    return poses


def _touch(first: Bounds, second: Bounds) -> bool:
    """Whether two faces, with room for their hair, touch."""
    room = 0.15 * max(first[3] - first[1], second[3] - second[1])
    return all(
        first[near] < second[far] + room and second[near] < first[far] + room
        for near, far in ((0, 2), (1, 3))
    )


def render_scene(
    sitters: list[Sitter], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Bounds]]:
    """A scene with people, as RGB (H, W, 3), and the boxes of their faces.

    Args:
        sitters: who should be shown; the last ones are left out if there is no room.
        rng: for places, background and noise.
    """
    poses = place_faces(sitters, rng)
    if not poses:
        raise ValueError("no room for the first face")
    shown = sitters[: len(poses)]
    boxes = [face_bounds(s.person, s.units, p) for s, p in zip(shown, poses, strict=True)]
    picture = draw_background(*SCENE_PX, rng)
    # Who stands lower is nearer, so that no shoulder hides a face.
    for index in sorted(range(len(poses)), key=lambda i: boxes[i][3]):
        _draw_into(picture, shown[index], poses[index])
    return degrade(picture, shown[0].shot, rng), boxes


def _draw_into(picture: Picture, sitter: Sitter, pose: Pose) -> None:
    """Draw a head into its part of the picture."""
    reach = pose.scale * np.array([-2.8, -2.3, 2.8, 6.5])
    left, top, right, bottom = np.rint(np.array([pose.x, pose.y] * 2) + reach).astype(int)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, picture.shape[1]), min(bottom, picture.shape[0])
    local = replace(pose, x=pose.x - left, y=pose.y - top)
    part = picture[top:bottom, left:right]
    part[...] = np.clip(compose(part, draw_head(sitter), local, sitter.shot), 0, 1)
