"""Random generators of training data: one for every draw, derived from what the draw is for.

A draw depends on the run's seed, the epoch, the sample's index and the position of the transform,
and on nothing else: not on workers, on the order of samples, or on whether the run was resumed.
No two transforms share a stream, so their draws are independent of each other.
"""

from __future__ import annotations

import random
from enum import IntEnum

import albumentations as A
import numpy as np

__all__ = ["Purpose", "generator", "seed_transforms"]


class Purpose(IntEnum):
    """What a generator is for; keeps the streams of different purposes apart."""

    ORDER = 1
    MOSAIC = 2
    TRANSFORM = 3


def generator(purpose: Purpose, *key: int) -> np.random.Generator:
    """The generator of a purpose and a key such as (seed, epoch, index).

    Args:
        purpose: of the draws.
        key: non-negative integers; keys of one purpose must have one length, or positions from 1,
            because NumPy ignores zeros at the end.
    """
    return np.random.default_rng((int(purpose), *key))


def seed_transforms(transform: A.BaseCompose | A.BasicTransform, key: tuple[int, ...]) -> None:
    """Give a transform and everything inside it a generator of its own.

    `Compose.set_random_seed` of albumentations 2.0.8 seeds every child alike, so that all their
    draws are the same numbers: an image is flipped if and only if it is scaled.

    Args:
        transform: whose generators are replaced; its children are numbered from 1, theirs too.
        key: seed, epoch and index, then the positions on the way down to `transform`.
    """
    rng = generator(Purpose.TRANSFORM, *key)
    py_rng = random.Random(int(rng.integers(2**63)))
    if not isinstance(transform, A.BaseCompose):
        transform.set_random_state(rng, py_rng)
        return
    # Not set_random_state, which would hand the composition's own generators to its children.
    transform.random_generator, transform.py_random = rng, py_rng
    for position, child in enumerate(transform.transforms, start=1):
        seed_transforms(child, (*key, position))
