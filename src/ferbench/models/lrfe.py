"""Large receptive field enhancement: a dilated convolution with a pixel gate, added to its input.

Source: P2, "YOLO-FER", which names the module, its place (behind the backbone) and its dilations
1 to 3.
Differs: figure and equations are not in the paper's text; both forms are reconstructions, the first
of which meets the paper's parameter and cost columns best.
"""

from __future__ import annotations

from torch import Tensor, nn
from ultralytics.nn.modules import Conv

__all__ = ["LRFE", "BottleneckLRFE"]


class LRFE(nn.Module):
    """Dilated convolution to half the channels, pixel gate there, back again.

    Args:
        channels: C.
        dilation: of the 3x3 convolution.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, dilation: int = 2) -> None:
        super().__init__()
        hidden = channels // 2
        self.wide = Conv(channels, hidden, 3, d=dilation)
        self.gate = nn.Sequential(nn.Conv2d(hidden, hidden, 1), nn.Sigmoid())
        self.back = Conv(hidden, channels, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the gate lets through."""
        wide = self.wide(x)
        return x + self.back(wide * self.gate(wide))


class BottleneckLRFE(nn.Module):
    """Half the channels, dilated convolution there, back again, pixel gate on all channels.

    Args:
        channels: C.
        dilation: of the 3x3 convolution.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, dilation: int = 2) -> None:
        super().__init__()
        hidden = channels // 2
        self.wide = nn.Sequential(
            Conv(channels, hidden, 1),
            Conv(hidden, hidden, 3, d=dilation),
            Conv(hidden, channels, 1, act=False),
        )
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Add what the gate lets through."""
        wide = self.wide(x)
        return x + wide * self.gate(wide)
