"""The layer-aggregation block of YOLOv7-tiny.

Source: Wang, Bochkovskiy, Liao, "YOLOv7", CVPR 2023, arXiv:2207.02696, section 3.1 (ELAN); the tiny
form is that of its released `yolov7-tiny` configuration.
Differs: nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from ultralytics.nn.modules import Conv

__all__ = ["ELANTiny"]


class ELANTiny(nn.Module):
    """Two 1x1 branches, one of them carried on by two 3x3 convolutions; all four maps are joined.

    Args:
        c_in: channels read.
        c_out: channels given; each branch has half of them.
        activation: of every convolution.

    Shape:
        (N, c_in, H, W) -> (N, c_out, H, W)
    """

    def __init__(self, c_in: int, c_out: int, activation: nn.Module) -> None:
        super().__init__()
        hidden = c_out // 2
        self.short = Conv(c_in, hidden, 1, act=activation)
        self.long = Conv(c_in, hidden, 1, act=activation)
        self.first = Conv(hidden, hidden, 3, act=activation)
        self.second = Conv(hidden, hidden, 3, act=activation)
        self.join = Conv(4 * hidden, c_out, 1, act=activation)

    def forward(self, x: Tensor) -> Tensor:
        """The joined branches, the deepest first."""
        long = self.long(x)
        first = self.first(long)
        return self.join(torch.cat((self.second(first), first, long, self.short(x)), dim=1))
