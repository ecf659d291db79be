"""Identity: what stays the same in all pictures of one person.

Lengths are in half widths of a standard face, x to the right and y downwards from its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["HAIR_STYLES", "RGB", "Person", "draw_person", "mix"]

RGB = tuple[float, float, float]

HAIR_STYLES = ("shaved", "short", "swept", "fringe", "long", "bob", "curly", "bun", "receding")

_SKINS: tuple[RGB, ...] = (
    (246, 217, 196),
    (235, 194, 164),
    (222, 174, 138),
    (198, 146, 108),
    (162, 110, 78),
    (124, 80, 56),
    (92, 60, 44),
)
_HAIRS: tuple[RGB, ...] = (
    (32, 27, 27),
    (58, 40, 30),
    (96, 64, 40),
    (148, 100, 58),
    (160, 84, 44),
    (206, 166, 104),
)
_IRISES: tuple[RGB, ...] = ((62, 40, 26), (86, 58, 34), (84, 110, 90), (74, 110, 150))


@dataclass(frozen=True)
class Person:
    """A stable identity.

    Args:
        skin: colour.
        hair: colour, of brows and beard too.
        iris: colour.
        style: one of `HAIR_STYLES`.
        width: half width of the face.
        jaw: half width at the mouth's height, as a share of `width`.
        chin: where the chin ends.
        brow_y: height of the brows.
        brow_tilt: how much lower the inner ends are at rest.
        brow_thick: thickness of the brows.
        eye_x: distance of an eye from the middle.
        eye_y: height of the eyes.
        eye_wide: half width of an eye.
        eye_high: opening of an eye at rest.
        nose_wide: half width of the nose.
        nose_y: where the nose ends.
        mouth_y: height of the mouth.
        mouth_wide: half width of the mouth at rest.
        mouth_bend: how much lower the corners are at rest.
        lip: thickness of a lip.
        beard: how dense, 0 for none.
        moustache: how dense, 0 for none.
        glasses: thickness of the frame, 0 for none.
        age: how deep the folds are at rest.
    """

    skin: RGB
    hair: RGB
    iris: RGB
    style: str
    width: float
    jaw: float
    chin: float
    brow_y: float
    brow_tilt: float
    brow_thick: float
    eye_x: float
    eye_y: float
    eye_wide: float
    eye_high: float
    nose_wide: float
    nose_y: float
    mouth_y: float
    mouth_wide: float
    mouth_bend: float
    lip: float
    beard: float
    moustache: float
    glasses: float
    age: float


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """The colour `share` of the way from the first to the second."""
    r, g, b = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return r, g, b


def _between(palette: tuple[RGB, ...], place: float) -> RGB:
    """A colour of a palette, `place` in [0, 1) of the way through it."""
    index, share = divmod(place * (len(palette) - 1), 1)
    return mix(palette[int(index)], palette[int(index) + 1], share)


def _hair_of(darkness: float, rng: np.random.Generator) -> RGB:
    """A hair colour: any for light skin, black to brown for dark skin, grey for some."""
    if rng.random() < 0.1:
        return mix((120, 116, 112), (205, 200, 196), rng.random())
    return _between(_HAIRS, rng.random() * (1 - darkness) ** 0.8 * 0.999)


def draw_person(rng: np.random.Generator) -> Person:
    """A random person; the same state of `rng` gives the same one."""
    bearded = rng.random() < 0.22
    darkness = rng.random() * 0.999
    return Person(
        skin=_between(_SKINS, darkness),
        hair=_hair_of(darkness, rng),
        iris=_between(_IRISES, rng.random() * (1 - darkness)),
        style=HAIR_STYLES[int(rng.integers(len(HAIR_STYLES)))],
        width=rng.uniform(0.92, 1.06),
        jaw=rng.uniform(0.70, 0.90),
        chin=rng.uniform(1.20, 1.38),
        brow_y=rng.uniform(-0.60, -0.52),
        brow_tilt=rng.uniform(-0.03, 0.05),
        brow_thick=rng.uniform(0.045, 0.10),
        eye_x=rng.uniform(0.39, 0.46),
        eye_y=rng.uniform(-0.27, -0.21),
        eye_wide=rng.uniform(0.19, 0.235),
        eye_high=rng.uniform(0.095, 0.125),
        nose_wide=rng.uniform(0.15, 0.22),
        nose_y=rng.uniform(0.26, 0.36),
        mouth_y=rng.uniform(0.68, 0.76),
        mouth_wide=rng.uniform(0.34, 0.43),
        mouth_bend=rng.uniform(-0.02, 0.035),
        lip=rng.uniform(0.055, 0.105),
        beard=rng.uniform(0.25, 0.9) if bearded and rng.random() < 0.6 else 0.0,
        moustache=rng.uniform(0.4, 1.0) if bearded else 0.0,
        glasses=rng.uniform(0.02, 0.05) if rng.random() < 0.15 else 0.0,
        age=rng.uniform(0.0, 0.5),
    )
