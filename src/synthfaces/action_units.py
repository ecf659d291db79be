"""Facial action units, and emotions as prototypes over them.

Source: Ekman, Friesen, "Facial Action Coding System", Consulting Psychologists Press, 1978 (units);
Friesen, Ekman, "EMFACS-7: Emotional Facial Action Coding System", unpublished manual, University of
California at San Francisco, 1983 (which units make an emotion).
Differs: an emotion has two or three prototypes here, not all combinations; intensities are uniform
draws and not the letters A to E; asymmetry, parted lips and tired lids are added as nuisance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROTOTYPES", "ActionUnits", "draw_units"]

# (2, 44): side of the face (left in the picture first), number of the unit; intensity in [0, 1].
ActionUnits = NDArray[np.float64]

_NUMBERS = 44  # 43, closed eyes, is the highest number in use

# Units and their strength at full intensity; one prototype of an emotion is drawn per face.
PROTOTYPES: dict[str, tuple[dict[int, float], ...]] = {
    "neutral": ({},),
    "happiness": (
        {6: 0.8, 12: 1.0},
        {6: 1.0, 12: 1.0, 25: 1.0},
        {6: 0.9, 12: 1.0, 25: 1.0, 26: 0.6},
    ),
    "surprise": ({1: 1.0, 2: 1.0, 5: 0.8, 26: 1.0}, {1: 1.0, 2: 1.0, 5: 0.8, 25: 1.0, 27: 0.9}),
    "sadness": (
        {1: 1.0, 4: 0.7, 15: 1.0},
        {1: 1.0, 4: 0.7, 15: 0.9, 17: 0.8},
        {1: 0.9, 4: 0.6, 15: 1.0, 17: 0.5, 43: 0.4},
    ),
    "anger": (
        {4: 1.0, 5: 0.6, 7: 0.5, 23: 0.8, 24: 0.8},
        {4: 1.0, 5: 0.6, 7: 0.6, 17: 0.5, 24: 1.0},
        {4: 1.0, 5: 0.7, 7: 0.4, 16: 0.6, 23: 0.7, 25: 1.0},
    ),
    "disgust": (
        {9: 1.0, 10: 0.8, 17: 0.7, 7: 0.4},
        {9: 1.0, 10: 1.0, 16: 0.5, 25: 0.7},
        {9: 0.9, 10: 0.9, 15: 0.4, 17: 0.5, 4: 0.3},
    ),
    "fear": (
        {1: 1.0, 2: 0.6, 4: 0.7, 5: 1.0, 20: 1.0, 25: 0.9},
        {1: 1.0, 2: 0.6, 4: 0.7, 5: 1.0, 20: 0.9, 25: 0.8, 26: 0.5},
    ),
    "contempt": ({12: 0.7, 14: 1.0}, {12: 0.5, 14: 1.0, 10: 0.2}),
}
_ONE_SIDED = ("contempt",)


def draw_units(emotion: str, intensity: float, rng: np.random.Generator) -> ActionUnits:
    """Intensities of all units of one face that shows an emotion.

    Args:
        emotion: a basic emotion.
        intensity: of the whole expression: 0 is a neutral face, 1 the full prototype.
        rng: chooses prototype, each unit's own strength, asymmetry and nuisance.

    Returns:
        (2, 44) in [0, 1], see `ActionUnits`.
    """
    options = PROTOTYPES[emotion]
    prototype = options[int(rng.integers(len(options)))]
    units = np.zeros((2, _NUMBERS))
    for number, strength in prototype.items():
        both = intensity * strength * rng.uniform(0.8, 1.1)
        units[:, number] = both * (1 + rng.uniform(-0.12, 0.12) * np.array([-1, 1]))
    if emotion in _ONE_SIDED:
        units[int(rng.integers(2))] *= 0.08
    units += _nuisance(rng)
    return np.clip(units, 0.0, 1.0)


def _nuisance(rng: np.random.Generator) -> ActionUnits:
    """Small movements without meaning: parted lips, tired lids, moving brows."""
    units = np.zeros((2, _NUMBERS))
    units[:, 25] += 0.7 * (rng.random() < 0.12) * rng.random()
    units[:, 43] += 0.35 * (rng.random() < 0.15) * rng.random()
    for number in (1, 2, 4, 12, 15, 17):
        units[:, number] += np.abs(rng.normal(0.0, 0.06))
    return units
