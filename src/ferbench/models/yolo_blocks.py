"""Layers of YOLOv7-tiny, YOLOv12 and YOLO-FER that the base library does not have.

Sources: at each class. P2's figures and equations are not in its text, so that its blocks (`LRFE`,
`BottleneckLRFE`, `NewStarBlock`, `C3k2Star`) are reconstructions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from ultralytics.nn.modules import A2C2f, C3k2, Conv
from ultralytics.nn.modules.block import ABlock, C3k

__all__ = [
    "ACTIVATIONS",
    "LRFE",
    "AreaAttention",
    "BottleneckLRFE",
    "C3k2Star",
    "ELANTiny",
    "NewStarBlock",
    "TurboA2C2f",
]


class ELANTiny(nn.Module):
    """Two 1x1 branches, one of them continued by two 3x3 convolutions; all four maps are joined.

    Source: Wang, Bochkovskiy, Liao, "YOLOv7", CVPR 2023, arXiv:2207.02696, section 3.1 (ELAN); the
    tiny form is that of its released `yolov7-tiny` configuration.
    Differs: nothing.

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


class LRFE(nn.Module):
    """Large receptive field enhancement: a dilated convolution with a pixel gate, and its input.

    The dilated convolution leads to half the channels, the gate stands there, and a 1x1 convolution
    leads back.

    Source: P2, "YOLO-FER", which names the module, its place (behind the backbone) and its
    dilations 1 to 3.
    Differs: of the two reconstructions this one meets the paper's parameter and cost columns best.

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
    """The other form of LRFE: a dilated bottleneck, and a pixel gate on all channels.

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


ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu6": nn.ReLU6}


class NewStarBlock(nn.Module):
    """x + DW7(BN(W3(phi(W1 t) * W2 t))) of t = BN(DW7(x)); 3rC² + 2rC + 105C parameters.

    Source: P2, "YOLO-FER", after Ma et al., "Rewrite the Stars", CVPR 2024, arXiv:2403.19967,
    section 3.4.
    Differs: StarNet's own block with SiLU for ReLU6 and no stochastic depth. Convolutions before a
    norm have a bias, as in StarNet.

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


_HEAD = 32  # channels of a head


class AreaAttention(nn.Module):
    """Attention among the places of one horizontal band, for each of `area` bands.

    Source: Tian et al., "YOLOv12", arXiv:2502.12524, section 3.2, and the authors' release notes of
    their "turbo" models: positions by a 5x5 depth-wise convolution, queries and keys by one
    convolution, values by another.
    Differs: nothing. ultralytics' layer (7x7, one convolution for all three) is the earlier form.

    Args:
        channels: C, a multiple of 32.
        area: bands; H·W must be a multiple of it.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, area: int) -> None:
        super().__init__()
        self.area = area
        self.qk = Conv(channels, 2 * channels, 1, act=False)
        self.v = Conv(channels, channels, 1, act=False)
        self.pe = Conv(channels, channels, 5, g=channels, act=False)
        self.proj = Conv(channels, channels, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix values by softmax(q k / sqrt(32)) and add their positions."""
        value = self.v(x)
        q, k = (self._heads(part) for part in self.qk(x).chunk(2, dim=1))
        weight = (q * _HEAD**-0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
        mixed = (weight @ self._heads(value)).transpose(1, 2)  # (N·area, L, heads, 32)
        mixed = mixed.reshape(x.shape[0], -1, x.shape[1]).transpose(1, 2)
        return self.proj(mixed.reshape_as(x) + self.pe(value))

    def _heads(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N·area, heads, L, 32), L = H·W / area places of a band."""
        n, channels, height, width = x.shape
        bands = x.flatten(2).transpose(1, 2)
        shape = (n * self.area, height * width // self.area, channels // _HEAD, _HEAD)
        return bands.reshape(shape).transpose(1, 2)


class TurboA2C2f(A2C2f):
    """A2C2f whose blocks attend by `AreaAttention`.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        repeats: pairs of attention blocks.
        area: bands.

    Shape:
        (N, c_in, H, W) -> (N, c_out, H, W)
    """

    def __init__(self, c_in: int, c_out: int, repeats: int, area: int) -> None:
        super().__init__(c_in, c_out, repeats, True, area)
        for block in self.modules():
            if isinstance(block, ABlock):
                block.attn = AreaAttention(block.attn.all_head_dim, area)
                block.attn.apply(ABlock._init_weights)
