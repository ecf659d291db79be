"""The stages of YOLOv6: blocks in a row, and the same across two paths.

Source: Li et al., "YOLOv6 v3.0", arXiv:2301.05586, and "YOLOv6", arXiv:2209.02976, section 2.1 and
figure 3.
Differs: nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.models.yolov6.convs import Units

__all__ = ["BepC3", "BottleRep", "RepBlock"]


class RepBlock(nn.Sequential):
    """Blocks in a row; the first one changes the channels.

    Args:
        c_in: channels read.
        c_out: channels given.
        repeats: number of blocks.
        units: the network's convolutions.

    Shape:
        (N, c_in, H, W) -> (N, c_out, H, W)
    """

    def __init__(self, c_in: int, c_out: int, repeats: int, units: Units) -> None:
        super().__init__(
            units.block(c_in, c_out), *(units.block(c_out, c_out) for _ in range(repeats - 1))
        )


class BottleRep(nn.Module):
    """Two blocks and α times the input, α learnt.

    Shape:
        (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int, units: Units) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            units.block(channels, channels), units.block(channels, channels)
        )
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Add the weighed input to what the blocks give."""
        return self.blocks(x) + self.alpha * x


class BepC3(nn.Module):
    """Half as many `BottleRep` as repeats on one path, nothing on the other: CSPStackRep.

    Args:
        c_in: channels read.
        c_out: channels given.
        repeats: number of blocks, two a `BottleRep`.
        units: the network's convolutions.
        squeeze: a path's width as a part of `c_out`.

    Shape:
        (N, c_in, H, W) -> (N, c_out, H, W)
    """

    def __init__(
        self, c_in: int, c_out: int, repeats: int, units: Units, *, squeeze: float
    ) -> None:
        super().__init__()
        width = int(c_out * squeeze)
        self.enter = units.conv(c_in, width)
        self.stack = nn.Sequential(*(BottleRep(width, units) for _ in range(repeats // 2)))
        self.short = units.conv(c_in, width)
        self.join = units.conv(2 * width, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Join the deep and the short path."""
        return self.join(torch.cat((self.stack(self.enter(x)), self.short(x)), dim=1))
