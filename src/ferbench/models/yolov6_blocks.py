"""The layers of YOLOv6: convolutions with branches that merge for use, poolings, stages.

Source: Li et al., "YOLOv6 v3.0", arXiv:2301.05586, section 2.1 (SimCSPSPPF, stages; SPPF is
YOLOv5's), and "YOLOv6", arXiv:2209.02976, section 2.1 and figure 3.
Differs: SimSPPF and SPPF are one class, for they differ in their activation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights

__all__ = ["SPPF", "BepC3", "ConvMaker", "ConvNorm", "RepBlock", "RepVGG", "SimCSPSPPF"]

_POOL = 5  # side of the poolings
# Below so many input channels, oneDNN 3.12 (torch 2.14) on an AVX2 processor writes past its buffer
# in the weight gradient of a strided 1x1 convolution in channels_last.
_FEWEST_CHANNELS = 8


class _SubsampledConv(nn.Conv2d):
    """A 1x1 convolution that takes every `stride`-th position first and then has no stride.

    It computes what `nn.Conv2d` does, by another oneDNN kernel: the stem, which reads 1 or 3
    channels, crashes on AVX2 processors otherwise. With many channels `nn.Conv2d` is faster.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def forward(self, x: Tensor) -> Tensor:
        """Subsample, convolve."""
        rows, columns = self.stride
        return F.conv2d(x[..., ::rows, ::columns], self.weight, self.bias)


class ConvNorm(nn.Module):
    """Convolution, BatchNorm, activation; padding keeps the size.

    Args:
        c_in: channels read.
        c_out: channels given.
        kernel: side.
        stride: of the convolution.
        act: the activation.

    Shape:
        (N, c_in, H, W) -> (N, c_out, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, *, act: nn.Module) -> None:
        super().__init__()
        narrow = kernel == 1 and stride > 1 and c_in < _FEWEST_CHANNELS
        kind = _SubsampledConv if narrow else nn.Conv2d
        self.conv: nn.Conv2d = kind(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(c_out)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, activate."""
        return self.act(self.norm(self.conv(x)))

    def fold(self) -> None:
        """Fold the norm into the convolution; in evaluation mode, once."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class RepVGG(nn.Module):
    """A 3x3 and a 1x1 convolution and the input itself, each with its norm, added and activated.

    Source: Ding et al., "RepVGG", CVPR 2021, arXiv:2101.03697, section 3.2 and figure 4.
    Differs: nothing.

    Args:
        c_in: channels read.
        c_out: channels given.
        stride: of both convolutions.
        act: the activation.

    Shape:
        (N, c_in, H, W) -> (N, c_out, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, c_in: int, c_out: int, stride: int, *, act: nn.Module) -> None:
        super().__init__()
        self.dense: ConvNorm | None = ConvNorm(c_in, c_out, 3, stride, act=nn.Identity())
        self.point: ConvNorm | None = ConvNorm(c_in, c_out, 1, stride, act=nn.Identity())
        self.same = nn.BatchNorm2d(c_in) if c_in == c_out and stride == 1 else None
        self.merged: nn.Conv2d | None = None
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Add the branches, or run what they were merged into."""
        if self.dense is None or self.point is None:
            assert self.merged is not None
            return self.act(self.merged(x))
        y = self.dense(x) + self.point(x)
        return self.act(y if self.same is None else y + self.same(x))

    @torch.no_grad()
    def merge(self) -> None:
        """Replace the branches by the one 3x3 convolution that they are in evaluation mode."""
        if self.dense is None or self.point is None:
            return
        parts = [_folded(part.conv.weight, part.norm) for part in (self.dense, self.point)]
        if self.same is not None:
            identity = torch.eye(self.same.num_features)[:, :, None, None]
            parts.append(_folded(identity.to(self.same.weight), self.same))
        merged = self.dense.conv
        sides = [(merged.kernel_size[0] - weight.shape[-1]) // 2 for weight, _ in parts]
        padded = [F.pad(part[0], (side,) * 4) for part, side in zip(parts, sides, strict=True)]
        merged.weight = nn.Parameter(torch.stack(padded).sum(dim=0))
        merged.bias = nn.Parameter(torch.stack([bias for _, bias in parts]).sum(dim=0))
        self.merged, self.dense, self.point, self.same = merged, None, None, None


@dataclass(frozen=True)
class ConvMaker:
    """The convolutions of one network.

    Args:
        activation: makes the activation of one of them.
        branches: whether a 3x3 block has RepVGG's branches.
    """

    activation: Callable[[], nn.Module]
    branches: bool

    def conv(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> ConvNorm:
        """A convolution with norm and activation."""
        return ConvNorm(c_in, c_out, kernel, stride, act=self.activation())

    def block(self, c_in: int, c_out: int, stride: int = 1) -> nn.Module:
        """A 3x3 block, with branches or plain."""
        if self.branches:
            return RepVGG(c_in, c_out, stride, act=self.activation())
        return self.conv(c_in, c_out, 3, stride)


def _folded(weight: Tensor, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution without a bias and the norm behind it."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    moments = (norm.running_mean, norm.running_var, norm.eps)
    return fuse_conv_bn_weights(weight, None, *moments, norm.weight, norm.bias)


class SPPF(nn.Module):
    """A map and its maxima over 5, 9 and 13 pixels, between two 1x1 convolutions.

    Shape:
        (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int, units: ConvMaker) -> None:
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

    def __init__(self, channels: int, units: ConvMaker) -> None:
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

    def __init__(self, c_in: int, c_out: int, repeats: int, units: ConvMaker) -> None:
        super().__init__(
            units.block(c_in, c_out), *(units.block(c_out, c_out) for _ in range(repeats - 1))
        )


class BottleRep(nn.Module):
    """Two blocks and α times the input, α learnt.

    Shape:
        (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int, units: ConvMaker) -> None:
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
        self, c_in: int, c_out: int, repeats: int, units: ConvMaker, *, squeeze: float
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
