"""Random generators of training data, each derived from what its draws are for.

A draw depends on the run's seed, the epoch, the sample's index and the position of the transform,
and on nothing else: not on workers, on the order of samples, or on whether the run was resumed.
No two transforms share a stream, so their draws are independent of each other. The order of samples
is drawn from seed and epoch alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import IntEnum

import albumentations as A
import numpy as np
from torch.utils.data import Sampler

__all__ = ["EpochSampler", "Key", "Purpose", "generator", "seed_transforms"]

Key = tuple[int, int]  # (epoch, index); epoch -1 means "no augmentation"


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


class EpochSampler(Sampler[Key]):
    """Keys (epoch, index) in an order drawn from (seed, epoch), divided among processes.

    Args:
        size: number of samples.
        seed: of the order; None keeps the natural order without augmentation, on every process.
        rank: of this process.
        world: number of processes. The last round is filled up from the start of the order.
    """

    def __init__(self, size: int, seed: int | None, rank: int = 0, world: int = 1) -> None:
        self.size, self.seed, self.rank, self.world = size, seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size if self.seed is None else -(-self.size // self.world)

    def __iter__(self) -> Iterator[Key]:
        if self.seed is None:
            return iter([(-1, i) for i in range(self.size)])
        order = generator(Purpose.ORDER, self.seed, self.epoch).permutation(self.size)
        filled = np.resize(order, len(self) * self.world)  # repeats from the start of the order
        return iter([(self.epoch, i) for i in filled[self.rank :: self.world].tolist()])
