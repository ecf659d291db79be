"""Hair, beard and glasses: what a person wears around the features."""

from __future__ import annotations

import numpy as np

from ferbench.data.faces.anatomy import Person, mix
from ferbench.data.faces.canvas import Canvas
from ferbench.data.faces.landmarks import Eye, Mouth, Points, jaw_drop, smooth
from ferbench.data.faces.units import Units

__all__ = ["draw_back", "draw_beard", "draw_front", "draw_glasses", "draw_moustache", "ring"]

# The hairline, from the temple at the right of the picture to that at the left; None: no hair there.
_HAIRLINES: dict[str, tuple[tuple[float, float], ...] | None] = {
    "shaved": None,
    "short": (
        (0.96, -0.42),
        (0.84, -0.86),
        (0.4, -1.0),
        (-0.4, -1.0),
        (-0.84, -0.86),
        (-0.96, -0.42),
    ),
    "swept": (
        (0.97, -0.35),
        (0.84, -0.7),
        (0.3, -0.8),
        (-0.35, -1.0),
        (-0.8, -0.9),
        (-0.97, -0.45),
    ),
    "fringe": (
        (0.98, -0.2),
        (0.86, -0.7),
        (0.3, -0.78),
        (-0.3, -0.78),
        (-0.86, -0.7),
        (-0.98, -0.2),
    ),
    "long": ((0.99, 0.3), (0.84, -0.55), (0.3, -1.02), (-0.1, -1.16), (-0.8, -0.6), (-0.99, 0.3)),
    "bob": ((0.99, 0.2), (0.8, -0.66), (0.3, -0.8), (-0.3, -0.8), (-0.8, -0.66), (-0.99, 0.2)),
    "curly": (
        (0.98, -0.3),
        (0.82, -0.84),
        (0.4, -0.98),
        (-0.4, -0.98),
        (-0.82, -0.84),
        (-0.98, -0.3),
    ),
    "bun": ((0.96, -0.4), (0.82, -0.86), (0.3, -1.1), (-0.3, -1.1), (-0.82, -0.86), (-0.96, -0.4)),
    "receding": (
        (0.97, -0.4),
        (0.8, -0.76),
        (0.5, -1.16),
        (-0.5, -1.16),
        (-0.8, -0.76),
        (-0.97, -0.4),
    ),
}
_CROWN = (
    (-1.03, -0.45),
    (-0.92, -0.98),
    (-0.5, -1.4),
    (0.0, -1.52),
    (0.5, -1.4),
    (0.92, -0.98),
    (1.03, -0.45),
)


def ring(x: float, y: float, wide: float, high: float, points: int = 24) -> Points:
    """An ellipse."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + wide * np.cos(angle), y + high * np.sin(angle)], axis=1)


def draw_back(canvas: Canvas, person: Person) -> None:
    """What hangs or stands behind the head."""
    dark, w = mix(person.hair, (0, 0, 0), 0.25), person.width
    length = {"long": 1.9, "bob": 0.95}.get(person.style)
    if length:
        half = np.array(
            [(0, -1.5), (0.7, -1.36), (1.14, -0.7), (1.22, 0.2), (1.18, length), (0.5, length)]
        )
        canvas.fill(
            smooth(np.concatenate([half, half[:0:-1] * (-1, 1)]), closed=True) * (w, 1), dark, None
        )
    if person.style == "bun":
        canvas.fill(ring(0, -1.62, 0.36, 0.33), dark, None)
    if person.style == "curly":
        for angle in np.linspace(np.pi * 0.92, np.pi * 2.08, 11):
            canvas.fill(
                ring(1.06 * w * np.cos(angle), -0.42 + 1.02 * np.sin(angle), 0.3, 0.3, 14),
                dark,
                None,
            )


def draw_front(canvas: Canvas, person: Person) -> None:
    """What covers the forehead and the crown."""
    line = _HAIRLINES[person.style]
    if line is None:
        return
    wide = np.array([person.width, 1.0])
    crown = smooth(np.array(_CROWN) * wide)
    canvas.fill(np.concatenate([crown, smooth(np.array(line) * wide)]), person.hair, None)
    # Two strands give the mass a direction.
    light = mix(person.hair, (255, 255, 255), 0.14)
    canvas.line(
        smooth(np.array([(-0.7, -1.02), (-0.3, -1.27), (0.2, -1.33)]) * wide), light, 0.05, None
    )
    canvas.line(
        smooth(np.array([(0.35, -1.2), (0.66, -1.05), (0.84, -0.85)]) * wide), light, 0.04, None
    )


def draw_beard(canvas: Canvas, person: Person, units: Units) -> None:
    """Beard on jaw and cheeks, under the mouth."""
    if not person.beard:
        return
    drop, w = jaw_drop(units), person.width
    right = np.array(
        [
            (0.93 * w, 0.25),
            (1.0 * w * person.jaw, 0.80 + 0.6 * drop),
            (0.55 * w * person.jaw, person.chin - 0.12 + drop),
            (0.0, person.chin + 0.01 + drop),
        ]
    )
    inner = np.array([(0.72 * w, 0.45), (0.52 * w, 0.62), (0.3 * w, 0.56), (0.0, 0.52)])
    edge = np.concatenate([right, (right * (-1, 1))[-2::-1]])
    hole = np.concatenate([(inner * (-1, 1)), inner[-2::-1]])
    canvas.fill(
        np.concatenate([smooth(edge), hole]), mix(person.skin, person.hair, 0.75 * person.beard)
    )


def draw_moustache(canvas: Canvas, person: Person, lips: Mouth) -> None:
    """A moustache on the upper lip; it follows the mouth."""
    if not person.moustache:
        return
    under = lips.upper_outer[2:-2]
    rise = 0.13 * np.sqrt(1 - np.linspace(-0.96, 0.96, len(under)) ** 2)
    over = under - np.stack([np.zeros_like(rise), rise], axis=1)
    colour = mix(person.skin, person.hair, 0.85 * person.moustache)
    canvas.fill(np.concatenate([under + (0, 0.01), over[::-1]]), colour, 0.08)


def draw_glasses(canvas: Canvas, person: Person, eyes: tuple[Eye, Eye]) -> None:
    """A thin frame before the eyes."""
    if not person.glasses:
        return
    dark = (40.0, 36.0, 36.0)
    for sign in (-1, 1):
        frame = ring(sign * person.eye_x, person.eye_y + 0.03, person.eye_wide + 0.1, 0.24, 20)
        canvas.line(np.concatenate([frame, frame[:1]]), dark, person.glasses, 0.12)
        temple = np.array(
            [
                (sign * (person.eye_x + person.eye_wide + 0.1), person.eye_y),
                (sign * 1.0, person.eye_y - 0.05),
            ]
        )
        canvas.line(temple, dark, person.glasses, None)
    half = person.eye_x - person.eye_wide - 0.1
    bridge = np.array([(-half, person.eye_y), (0, person.eye_y - 0.04), (half, person.eye_y)])
    canvas.line(smooth(bridge), dark, person.glasses, 0.2)
