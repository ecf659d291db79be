"""Moving average of the weights."""

from __future__ import annotations

import math

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

__all__ = ["RampedAverage"]


class RampedAverage(WeightAveraging):
    """Exponential moving average whose decay rises from 0.

    So a short run is not held at its start. The decay at step t is `decay * (1 - exp(-t / steps))`,
    as in the base library's trainer. Validation and checkpoints use the averaged weights; the raw
    ones are kept beside them for resuming.

    Args:
        decay: that is approached.
        steps: time constant of the rise.
    """

    def __init__(self, decay: float, steps: int) -> None:
        def average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
            if not averaged[0].is_floating_point():  # counters of batches
                torch._foreach_copy_(averaged, current)
                return
            weight = decay * (1 - math.exp(-float(count) / steps))
            torch._foreach_lerp_(averaged, current, 1 - weight)

        super().__init__(use_buffers=True, multi_avg_fn=average)
