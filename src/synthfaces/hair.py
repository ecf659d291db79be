"""Drawing of hair, beard and glasses."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from synthfaces.action_units import ActionUnits
from synthfaces.drawing import OUTLINE, Drawing
from synthfaces.landmarks import Mouth, Points, outline, smooth
from synthfaces.person import Person, mix

__all__ = ["draw_back", "draw_beard", "draw_front", "draw_glasses", "draw_moustache", "ring"]

# x and y of the hairline's points, from the temple at the right of the picture to that at the left.
_HAIRLINES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "short": ((0.96, 0.84, 0.4, -0.4, -0.84, -0.96), (-0.42, -0.86, -1.0, -1.0, -0.86, -0.42)),
    "swept": ((0.97, 0.84, 0.3, -0.35, -0.8, -0.97), (-0.35, -0.7, -0.8, -1.0, -0.9, -0.45)),
    "fringe": ((0.98, 0.86, 0.3, -0.3, -0.86, -0.98), (-0.2, -0.7, -0.78, -0.78, -0.7, -0.2)),
    "long": ((0.99, 0.84, 0.3, -0.1, -0.8, -0.99), (0.3, -0.55, -1.02, -1.16, -0.6, 0.3)),
    "bob": ((0.99, 0.8, 0.3, -0.3, -0.8, -0.99), (0.2, -0.66, -0.8, -0.8, -0.66, 0.2)),
    "curly": ((0.98, 0.82, 0.4, -0.4, -0.82, -0.98), (-0.3, -0.84, -0.98, -0.98, -0.84, -0.3)),
    "bun": ((0.96, 0.82, 0.3, -0.3, -0.82, -0.96), (-0.4, -0.86, -1.1, -1.1, -0.86, -0.4)),
    "receding": ((0.97, 0.8, 0.5, -0.5, -0.8, -0.97), (-0.4, -0.76, -1.16, -1.16, -0.76, -0.4)),
}
_CROWN = np.column_stack(
    [(-1.07, -0.99, -0.55, 0, 0.55, 0.99, 1.07), (-0.4, -1.0, -1.47, -1.6, -1.47, -1.0, -0.4)]
)
# They give the mass of hair a direction.
_STRANDS = np.array(
    [[(-0.75, -1.05), (-0.35, -1.34), (0.15, -1.42)], [(0.3, -1.25), (0.66, -1.1), (0.88, -0.8)]]
)
_LENGTHS = {"long": 1.9, "bob": 0.95}
_CHEEKS = slice(24, 61)  # of the outline: from ear to ear by the chin


def ring(x: float, y: float, wide: float, high: float, points: int = 24) -> Points:
    """An ellipse."""
    return _circle(points) * (wide, high) + (x, y)


@lru_cache(maxsize=16)
def _circle(points: int) -> Points:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def draw_back(drawing: Drawing, person: Person) -> None:
    """What hangs or stands behind the head."""
    dark, w = mix(person.hair, (0, 0, 0), 0.25), person.width
    if person.style in _LENGTHS:
        end = _LENGTHS[person.style]
        half = np.array(
            [(0, -1.56), (0.7, -1.42), (1.16, -0.7), (1.24, 0.2), (1.2, end), (0.5, end)]
        )
        shape = np.concatenate([half, half[:0:-1] * (-1, 1)]) * (w, 1)
        drawing.fill(smooth(shape, closed=True), dark, OUTLINE)
    if person.style == "bun":
        drawing.fill(ring(0, -1.68, 0.36, 0.33), dark, OUTLINE)
    if person.style == "curly":
        for angle in np.linspace(np.pi * 0.92, np.pi * 2.08, 11):
            x, y = 1.06 * w * np.cos(angle), -0.46 + 1.04 * np.sin(angle)
            drawing.fill(ring(x, y, 0.3, 0.3, 14), dark, OUTLINE)


def draw_front(drawing: Drawing, person: Person) -> None:
    """What covers the forehead and the crown."""
    if person.style not in _HAIRLINES:
        return
    wide = np.array([person.width, 1.0])
    crown, line = smooth(_CROWN * wide), smooth(np.column_stack(_HAIRLINES[person.style]) * wide)
    # The crown belongs to the outline; the hairline turns with the forehead, but for its ends.
    lift = np.concatenate([np.full(len(crown), OUTLINE), np.full(len(line), -0.35)])
    lift[[len(crown), -1]] = OUTLINE
    drawing.fill(np.concatenate([crown, line]), person.hair, lift)
    light = mix(person.hair, (255, 255, 255), 0.10)
    for strand in _STRANDS:
        drawing.line(smooth(strand * wide), light, 0.035, OUTLINE)


def draw_beard(drawing: Drawing, person: Person, units: ActionUnits) -> None:
    """Beard on jaw and cheeks, under the mouth."""
    if not person.beard:
        return
    edge = outline(person, units)[_CHEEKS]
    right = np.array([(0.74, 0.42), (0.54, 0.60), (0.3, 0.54), (0.0, 0.50)]) * (person.width, 1)
    inner = smooth(np.concatenate([right * (-1, 1), right[-2::-1]]))
    lift = np.concatenate([np.full(len(edge), OUTLINE), np.zeros(len(inner))])
    colour = mix(person.skin, person.hair, 0.8 * person.beard)
    drawing.fill(np.concatenate([edge, inner]), colour, lift)


def draw_moustache(drawing: Drawing, person: Person, lips: Mouth) -> None:
    """A moustache on the upper lip; it follows the mouth."""
    if not person.moustache:
        return
    under = lips.upper_outer[2:-2]
    rise = 0.13 * np.sqrt(1 - np.linspace(-0.96, 0.96, len(under)) ** 2)
    over = under - np.stack([np.zeros_like(rise), rise], axis=1)
    colour = mix(person.skin, person.hair, 0.85 * person.moustache)
    drawing.fill(np.concatenate([under + np.array((0, 0.01)), over[::-1]]), colour, 0.08)


def draw_glasses(drawing: Drawing, person: Person) -> None:
    """A thin frame before the eyes."""
    if not person.glasses:
        return
    dark = (40.0, 36.0, 36.0)
    for sign in (-1, 1):
        frame = ring(sign * person.eye_x, person.eye_y + 0.03, person.eye_wide + 0.1, 0.24, 20)
        drawing.line(np.concatenate([frame, frame[:1]]), dark, person.glasses, 0.12)
        edge = person.eye_x + person.eye_wide + 0.1
        temple = np.array([(sign * edge, person.eye_y), (sign * 1.0, person.eye_y - 0.05)])
        drawing.line(temple, dark, person.glasses, OUTLINE)
    half = person.eye_x - person.eye_wide - 0.1
    bridge = np.array([(-half, person.eye_y), (0, person.eye_y - 0.04), (half, person.eye_y)])
    drawing.line(smooth(bridge), dark, person.glasses, 0.2)
