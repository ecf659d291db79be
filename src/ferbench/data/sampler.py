"""The order in which samples are seen, drawn from seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from ferbench.data.draws import Purpose, generator

__all__ = ["EpochSampler", "Key"]

Key = tuple[int, int]  # (epoch, index); epoch -1 means "no augmentation"


class EpochSampler(Sampler[Key]):
    """Keys (epoch, index) in an order drawn from (seed, epoch), shared out over processes.

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
        """Tell the epoch; Lightning calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size if self.seed is None else -(-self.size // self.world)

    def __iter__(self) -> Iterator[Key]:
        if self.seed is None:
            return iter([(-1, i) for i in range(self.size)])
        order = generator(Purpose.ORDER, self.seed, self.epoch).permutation(self.size)
        filled = np.resize(order, len(self) * self.world)  # repeats from the start of the order
        return iter([(self.epoch, i) for i in filled[self.rank :: self.world].tolist()])
