"""The star block of P2's C3k2_star: two linear maps of a feature, multiplied.

Source: P2, "YOLO-FER", after Ma et al., "Rewrite the Stars", CVPR 2024, arXiv:2403.19967, section
3.4.
Differs: P2's figure and equations are not in its text; the block is StarNet's own with SiLU for
ReLU6 and no stochastic depth. Convolutions before a norm have a bias, as in StarNet.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from ultralytics.nn.modules import C3k2
from ultralytics.nn.modules.block import C3k

__all__ = ["ACTIVATIONS", "C3k2Star", "NewStarBlock"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu6": nn.ReLU6}


class NewStarBlock(nn.Module):
    """x + DW7(BN(W3(phi(W1 t) * W2 t))) of t = BN(DW7(x)); 3rC² + 2rC + 105C parameters.

    Args:
        channels: C.
        ratio: r, width of the product as a multiple of C.
        act: phi, a word of `ACTIVATIONS`.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, ratio: int = 4, act: str = "silu") -> None:
        super().__init__()
        self.near = nn.Sequential(_depthwise(channels), nn.BatchNorm2d(channels))
        self.gate = nn.Sequential(nn.Conv2d(channels, ratio * channels, 1), ACTIVATIONS[act]())
        self.value = nn.Conv2d(channels, ratio * channels, 1)
        self.back = nn.Sequential(
            nn.Conv2d(ratio * channels, channels, 1), nn.BatchNorm2d(channels), _depthwise(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the product of two views."""
        t = self.near(x)
        return x + self.back(self.gate(t) * self.value(t))


class C3k2Star(C3k2):
    """C3k2 with star blocks where it has bottlenecks.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        repeats: blocks.
        nested: the blocks are C3k of two star blocks each.
        expansion: width of a block as a share of `c_out`.
        star: a star block of so many channels.

    Shape:
        (N, c_in, H, W) -> (N, c_out, H, W)
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        repeats: int,
        *,
        nested: bool,
        expansion: float,
        star: Callable[[int], NewStarBlock],
    ) -> None:
        super().__init__(c_in, c_out, repeats, nested, expansion)
        if not nested:
            self.m = nn.ModuleList(star(self.c) for _ in range(repeats))
            return
        for block in self.m:
            assert isinstance(block, C3k)
            width = block.cv1.conv.out_channels
            block.m = nn.Sequential(*(star(width) for _ in block.m))


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
