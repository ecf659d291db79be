"""The pooling at the end of YOLOv6's backbone.

Source: Li et al., "YOLOv6 v3.0", arXiv:2301.05586, section 2.1: SimCSPSPPF; SPPF is YOLOv5's.
Differs: SimSPPF and SPPF are one class here, for they differ in their activation alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.models.yolov6.convs import Units

__all__ = ["SPPF", "SimCSPSPPF"]

_POOL = 5


class SPPF(nn.Module):
    """A map and its maxima over 5, 9 and 13 pixels, between two 1x1 convolutions.

    Shape:
        (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int, units: Units) -> None:
        super().__init__()
        self.enter = units.conv(channels, channels // 2)
        self.join = units.conv(4 * (channels // 2), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Pool at four scales."""
        return self.join(_scales(self.enter(x)))


class SimCSPSPPF(nn.Module):
    """The same amid further convolutions, with a short path beside it.

    Shape:
        (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int, units: Units) -> None:
        super().__init__()
        half = channels // 2
        self.enter = nn.Sequential(
            units.conv(channels, half), units.conv(half, half, 3), units.conv(half, half)
        )
        self.short = units.conv(channels, half)
        self.leave = nn.Sequential(units.conv(4 * half, half), units.conv(half, half, 3))
        self.join = units.conv(2 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Pool at four scales on one of two paths."""
        deep = self.leave(_scales(self.enter(x)))
        return self.join(torch.cat((self.short(x), deep), dim=1))


def _scales(x: Tensor) -> Tensor:
    """A map and three poolings of it, each of the one before: (N, C, H, W) -> (N, 4C, H, W)."""
    maps = [x]
    for _ in range(3):
        maps.append(nn.functional.max_pool2d(maps[-1], _POOL, stride=1, padding=_POOL // 2))
    return torch.cat(maps, dim=1)
