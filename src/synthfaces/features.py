"""Drawing of the parts that move: eyes, brows, nose, mouth, and the folds of the skin."""

from __future__ import annotations

import numpy as np

from synthfaces.action_units import ActionUnits
from synthfaces.drawing import Drawing
from synthfaces.hair import ring
from synthfaces.landmarks import Eye, Mouth, Points, brow, jaw_drop, smooth
from synthfaces.person import RGB, Person, mix

__all__ = ["draw_brow", "draw_eye", "draw_folds", "draw_mouth", "draw_nose"]

_BLACK: RGB = (0, 0, 0)


def _crease(person: Person, strength: float) -> RGB:
    """The colour of a fold: skin, darker and redder with its strength."""
    return mix(person.skin, (60, 20, 10), 0.55 * min(max(float(strength), 0.0), 1.0))


def draw_eye(drawing: Drawing, person: Person, shape: Eye, tired: float) -> None:
    """White, iris, pupil, and the lids over them."""
    radius = 0.56 * person.eye_wide
    (x, y), upper, lower = shape.centre[0], shape.upper, shape.lower
    drawing.fill(np.concatenate([upper, lower[::-1]]), (238, 232, 226))
    drawing.fill(ring(x, y, radius, radius), person.iris)
    drawing.fill(ring(x, y, 0.5 * radius, 0.5 * radius, 14), (16, 12, 12))
    drawing.fill(ring(x - 0.03, y - 0.035, 0.028, 0.028, 8), (250, 250, 250))
    # The lids are drawn over the ball: it may reach beyond the opening.
    reach = radius + 0.06
    lid = mix(person.skin, (90, 40, 30), 0.16 + 0.15 * tired)
    above = np.stack([upper[:, 0], np.minimum(upper[:, 1] - 0.01, y - reach)], axis=1)
    below = np.stack([lower[:, 0], np.maximum(lower[:, 1] + 0.01, y + reach)], axis=1)
    drawing.fill(np.concatenate([upper, above[::-1]]), lid)
    drawing.fill(np.concatenate([lower, below[::-1]]), person.skin)
    drawing.line(upper, mix(person.skin, _BLACK, 0.82), 0.045)
    drawing.line(lower, mix(person.skin, (60, 20, 10), 0.42), 0.022)


def draw_brow(drawing: Drawing, person: Person, units: ActionUnits, side: int) -> None:
    """A brow, thick inside and thin outside."""
    line = brow(person, units, side)
    taper = np.interp(np.linspace(0, 1, len(line)), [0, 0.1, 0.5, 1], [0.7, 1.0, 0.85, 0.2])
    half = np.stack([np.zeros_like(taper), 0.5 * person.brow_thick * taper], axis=1)
    colour = mix(mix(person.hair, person.skin, 0.12), _BLACK, 0.25)
    drawing.fill(np.concatenate([line - half, (line + half)[::-1]]), colour, 0.05)


def draw_nose(drawing: Drawing, person: Person, units: ActionUnits) -> None:
    """Ridge, wings and nostrils; the wings rise when the nose is wrinkled."""
    wrinkle = float(units[:, 9].mean())
    y, w = person.nose_y - 0.05 * wrinkle, person.nose_wide * (1 + 0.15 * wrinkle)
    shadow = mix(person.skin, (70, 30, 20), 0.42)
    nostril = mix(person.skin, (40, 10, 5), 0.7)
    flank = np.array([(0.08, -0.2), (0.12, y - 0.15), (w, y), (0.2, -0.1)])
    wing = smooth(
        np.array([(0.85 * w, y - 0.14 - 0.04 * wrinkle), (w, y - 0.03), (0.6 * w, y + 0.03)])
    )
    for sign in (-1, 1):
        mirror = np.array((sign, 1))
        drawing.shade(flank * mirror, -0.12, 0.1)
        drawing.line(wing * mirror, shadow, 0.03, 0.15)
        drawing.fill(ring(sign * 0.45 * w, y + 0.01, 0.28 * w, 0.03, 12), nostril, 0.22)
    tip = np.array([(-0.3 * w, y + 0.045), (0, y + 0.06), (0.3 * w, y + 0.045)])
    drawing.line(smooth(tip), shadow, 0.03, 0.26)
    drawing.shade(ring(0, y - 0.1, 0.5 * w, 0.09, 12), 0.12, 0.26)
    ridge = np.array([(-0.05, -0.35), (0.05, -0.35), (0.06, y - 0.15), (-0.06, y - 0.15)])
    drawing.shade(ridge, 0.10, 0.2)


def draw_mouth(drawing: Drawing, person: Person, lips: Mouth, units: ActionUnits) -> None:
    """Lips, and what is seen between them."""
    u = units.mean(axis=0)
    lip = mix(person.skin, (158, 40, 50), 0.55)
    if lips.gap > 0.02:
        hole = np.concatenate([lips.upper_inner, lips.lower_inner[::-1]])
        drawing.fill(hole, (48, 14, 16), 0.05)
        teeth = min(0.75 * lips.gap, 0.11) * (0.35 + 0.65 * max(u[12], u[20], u[10], u[16]))
        bite = np.minimum(lips.upper_inner + np.array((0, teeth)), lips.lower_inner)
        drawing.fill(np.concatenate([lips.upper_inner, bite[::-1]])[1:-1], (240, 236, 228), 0.05)
        if u[16] > 0.2 or u[20] > 0.3:
            bottom = np.maximum(lips.lower_inner - (0, 0.5 * teeth), bite)
            drawing.fill(np.concatenate([lips.lower_inner, bottom[::-1]]), (222, 214, 204), 0.05)
    drawing.fill(
        np.concatenate([lips.upper_outer, lips.upper_inner[::-1]]), mix(lip, _BLACK, 0.14), 0.07
    )
    drawing.fill(np.concatenate([lips.lower_inner, lips.lower_outer[::-1]]), lip, 0.07)
    if lips.gap <= 0.05:
        drawing.line(lips.upper_inner, mix(lip, (30, 5, 5), 0.65), 0.032, 0.07)
    under = lips.lower_outer[4:-4] + np.array((0, 0.06))
    drawing.shade(
        np.concatenate([under, under[::-1] + np.array((0, 0.07))]), -0.14 - 0.1 * u[17], 0.05
    )


def _cheek_folds(drawing: Drawing, person: Person, u: Points, side: int, corner: Points) -> None:
    """The fold from nose to mouth, crow's feet, the bag under the eye, the dimple."""
    sign = 2 * side - 1
    depth = max(0.35 * person.age, 0.8 * u[12], 0.9 * u[10], 0.7 * u[9], 0.3 * u[15], 0.2 * u[20])
    start = (sign * (person.nose_wide + 0.05), person.nose_y - 0.08 - 0.05 * u[9])
    end = (corner[0] + sign * 0.10, corner[1] - 0.02 + 0.1 * u[10])
    bow = (
        0.5 * (start[0] + end[0]) + sign * (0.05 + 0.06 * u[12]),
        0.5 * (start[1] + end[1]) - 0.03,
    )
    drawing.line(smooth(np.array([start, bow, end])), _crease(person, 0.75 * depth), 0.03, 0.03)
    x, y = sign * (person.eye_x + person.eye_wide), person.eye_y
    if u[6] > 0.25:
        for rise in (-0.06, 0.02, 0.10):
            feet = np.array([(x + sign * 0.04, y + 0.3 * rise), (x + sign * 0.15, y + rise)])
            drawing.line(feet, _crease(person, 0.7 * u[6]), 0.02)
    bag = max(u[6], 0.8 * u[7], 0.6 * u[9], 0.5 * person.age)
    line = [
        (sign * (person.eye_x + k), y + 0.16 - 0.05 * bag - h)
        for k, h in ((-0.17, 0.02), (0, -0.02), (0.17, 0.03))
    ]
    drawing.line(smooth(np.array(line)), _crease(person, 0.5 * bag), 0.022)
    drawing.shade(
        ring(sign * 0.55 * person.width, 0.30 - 0.1 * u[6], 0.22, 0.17, 14),
        0.05 + 0.16 * max(u[6], u[12]),
    )
    if u[14] > 0.25:
        dimple = corner + np.array([(sign * 0.05, -0.09), (sign * 0.085, 0.0), (sign * 0.05, 0.08)])
        drawing.line(smooth(dimple), _crease(person, u[14]), 0.04)


def draw_folds(drawing: Drawing, person: Person, units: ActionUnits, lips: Mouth) -> None:
    """What movement and age draw on the skin."""
    u = units.mean(axis=0)
    for side in (0, 1):
        _cheek_folds(drawing, person, units[side], side, lips.upper_inner[-side])
    for row, y in enumerate((-0.80, -0.90, -1.0)):
        half = 0.26 + 0.3 * u[2]
        depth = max(0.25 * person.age, 0.75 * u[1], 0.7 * u[2]) - 0.12 * row
        lift = -0.04 * u[1] + 0.08 * u[1] * (1 - u[2])
        line = np.array([(-half, y + lift), (0, y - 0.03), (half, y + lift)])
        drawing.line(smooth(line), _crease(person, 0.6 * depth), 0.02)
    frown = max(u[4], 0.5 * u[9]) - 0.15
    for x in (-0.075, 0.06):
        line = np.array([(x * 0.8, person.brow_y - 0.1), (x, person.brow_y + 0.14)])
        drawing.line(line, _crease(person, frown), 0.03, 0.05)
    for k, y in enumerate((-0.24, -0.15, -0.06)):
        half = 0.08 + 0.02 * k
        drawing.line(
            np.array([(-half, y + 0.04), (0, y), (half, y + 0.04)]),
            _crease(person, 1.1 * u[9] - 0.2),
            0.025,
            0.15,
        )
    chin = person.chin - 0.24 + jaw_drop(units)
    boss = np.array([(-0.18, chin + 0.05), (0, chin - 0.04), (0.18, chin + 0.05)])
    drawing.line(smooth(boss), _crease(person, 0.9 * u[17] - 0.1), 0.03)
