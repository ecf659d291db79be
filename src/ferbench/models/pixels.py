"""What every network is fed: fractions, laid out with channels last."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["as_fractions"]


def as_fractions(image: Tensor, device: torch.device) -> Tensor:
    """Bytes (N, C, H, W) as float32 fractions in [0, 1] on a device."""
    return image.to(device, memory_format=torch.channels_last).float().div_(255)
