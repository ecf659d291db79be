"""Positions of the features: outlines of a person's face under given action units.

Points are (n, 2) in the person's own coordinates (see `person`). `side` is 0 for the left of the
picture and 1 for its right. How far a unit moves a point is set by eye, for legible pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from synthfaces.action_units import ActionUnits
from synthfaces.person import Person

__all__ = ["Eye", "Mouth", "Points", "brow", "eye", "jaw_drop", "mouth", "outline", "smooth"]

Points = NDArray[np.float64]

_F = np.linspace(-1.0, 1.0, 15)  # places along the mouth, corner to corner
_E = np.linspace(-1.0, 1.0, 9)  # places along a lid
_BOW = (1 - _E**2) ** 0.75


@dataclass(frozen=True)
class Eye:
    """An eye: its two lids from the inner to the outer corner, and the centre of the iris."""

    upper: Points
    lower: Points
    centre: Points


@dataclass(frozen=True)
class Mouth:
    """A mouth, each line from the left corner to the right one, and how far the lips are apart."""

    upper_outer: Points
    upper_inner: Points
    lower_inner: Points
    lower_outer: Points
    gap: float


@lru_cache(maxsize=64)
def _spline(count: int, closed: bool, steps: int) -> NDArray[np.float64]:
    """Matrix from control points to points of the Catmull-Rom curve through them."""
    spans = count if closed else count - 1
    weights = np.zeros((spans * steps + (not closed), count))
    for row in range(weights.shape[0]):
        span, t = min(row // steps, spans - 1), row / steps - min(row // steps, spans - 1)
        cubic = 0.5 * np.array(
            [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]
        )
        for offset, value in enumerate(cubic):
            place = span + offset - 1
            place = place % count if closed else min(max(place, 0), count - 1)
            weights[row, place] += value
    return weights


def smooth(points: Points, closed: bool = False, steps: int = 6) -> Points:
    """A smooth curve through some points."""
    curve: Points = _spline(len(points), closed, steps) @ points
    return curve


def jaw_drop(units: ActionUnits) -> float:
    """How far the chin sinks."""
    both = units.mean(axis=0)
    return float(0.20 * both[26] + 0.38 * both[27] - 0.04 * both[17])


def outline(person: Person, units: ActionUnits) -> Points:
    """The closed outline of the face, from the top of the forehead clockwise."""
    drop, w = jaw_drop(units), person.width
    jaw = w * person.jaw
    right = np.array(
        [
            (0.50 * w, -1.24),
            (0.86 * w, -0.86),
            (0.99 * w, -0.25),
            (0.95 * w, 0.30),
            (jaw, 0.80 + 0.6 * drop),
            (0.55 * jaw, person.chin - 0.13 + drop),
        ]
    )
    left = right[::-1] * (-1, 1)
    top, chin = [(0.0, -1.34)], [(0.0, person.chin + drop)]
    return smooth(np.concatenate([top, right, chin, left]), closed=True)


def brow(person: Person, units: ActionUnits, side: int) -> Points:
    """The middle line of a brow, from the inner to the outer end."""
    u = units[side]
    lower = u[4] * (1 - 0.85 * min(u[1], 1.0)) + 0.55 * u[9]
    y, tilt = person.brow_y, person.brow_tilt
    x = np.array([0.17 - 0.05 * u[4], 0.36, 0.56, 0.74]) * person.width
    rise = np.array(
        [
            tilt - 0.19 * u[1] - 0.04 * u[2] + 0.19 * lower,
            -0.05 + 0.5 * tilt - 0.11 * u[1] - 0.10 * u[2] + 0.14 * lower,
            -0.06 - 0.01 * u[1] - 0.18 * u[2] + 0.06 * lower,
            0.02 - tilt + 0.05 * u[1] * (1 - u[2]) - 0.15 * u[2] - 0.01 * lower,
        ]
    )
    sign = 2 * side - 1
    return smooth(np.stack([sign * x, y + rise], axis=1))


def eye(person: Person, units: ActionUnits, side: int, gaze: Points) -> Eye:
    """An eye; `gaze` moves the iris, as a share of the eye's width and height."""
    u = units[side]
    sag = 0.25 * u[1] * (1 - u[2])  # the lid's outer part hangs in sadness
    upper = 1 + 0.65 * u[5] - 0.40 * u[7] - 0.25 * u[6] - 0.40 * u[9] - 0.8 * u[43]
    lower = 1 + 0.25 * u[5] - 0.70 * u[7] - 1.00 * u[6] - 0.70 * u[9] - 0.4 * u[43]
    high = person.eye_high * max(upper, 0.12)
    low = 0.65 * person.eye_high * max(lower, -0.25)
    f, bow = _E, _BOW
    x = person.eye_x + f * person.eye_wide
    tilt = -0.012 * f + sag * 0.09 * (f + 0.3)
    sign = 2 * side - 1
    top = np.stack([sign * x, person.eye_y + tilt - high * bow * (1 - sag * f)], axis=1)
    bottom = np.stack([sign * x, person.eye_y + tilt + low * bow], axis=1)
    middle = np.array([[sign * person.eye_x, person.eye_y - 0.01]])
    return Eye(top, bottom, middle + gaze * (0.4 * person.eye_wide, 0.3 * person.eye_high))


def _corners(person: Person, units: ActionUnits, gap: float) -> Points:
    """(2, 2), the left and the right corner of the mouth."""
    both, m = units, person.mouth_wide
    x = m + 0.14 * both[:, 12] + 0.16 * both[:, 20] + 0.05 * both[:, 14] + 0.02 * both[:, 15]
    x = x - 0.07 * both[:, 23] - 0.05 * both[:, 24] - 0.15 * both[:, 27] - 0.06 * both[:, 26]
    x = x - 0.04 * both[:, 10]
    y = person.mouth_y + person.mouth_bend - 0.17 * both[:, 12] + 0.15 * both[:, 15]
    y = y + 0.05 * both[:, 20] - 0.05 * both[:, 14] + 0.05 * both[:, 10] + 0.45 * gap
    return np.stack([x * (-1, 1), y], axis=1)


def mouth(person: Person, units: ActionUnits) -> Mouth:
    """The lips."""
    u = units.mean(axis=0)
    gap = 0.11 * u[25] + 0.17 * u[26] + 0.38 * u[27] + 0.05 * u[16] * u[25]
    corners = _corners(person, units, gap)
    centre = person.mouth_y - 0.07 * u[17] - 0.07 * u[10] * (1 - u[25]) + 0.03 * u[12] + 0.45 * gap
    share = (_F + 1) / 2
    x = corners[0, 0] + share * (corners[1, 0] - corners[0, 0])
    bend = np.where(_F < 0, corners[0, 1] - centre, corners[1, 1] - centre)
    middle = centre + bend * np.abs(_F) ** 1.8
    square = 2 + 2.5 * max(u[20], u[23], u[16])
    arch = np.sqrt(1 - np.abs(_F) ** square)
    above = 0.5 * gap + 0.10 * u[10] * u[25]
    upper_inner = middle - above * arch
    lower_inner = middle + 0.5 * gap * arch
    thin = 1 - 0.62 * max(u[24], 0.7 * u[23]) - 0.25 * u[12] - 0.2 * u[20]
    bow = (1 - _F**2) ** 0.8 - 0.16 * np.exp(-((_F / 0.14) ** 2))
    upper = upper_inner - person.lip * thin * (1 + 0.2 * u[10]) * bow
    lower = lower_inner + person.lip * (thin + 0.35 + 0.35 * u[17]) * np.sqrt(1 - _F**2)
    return Mouth(
        upper_outer=np.stack([x, upper], axis=1),
        upper_inner=np.stack([x, upper_inner], axis=1),
        lower_inner=np.stack([x, lower_inner], axis=1),
        lower_outer=np.stack([x, lower], axis=1),
        gap=float(gap + 0.10 * u[10] * u[25]),
    )
