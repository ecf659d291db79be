"""Spatial-and-channel attention block of IVSA.

Source: P1, "IVSA", section III.B, equations 2-8; the gamma scale after Liu et al., "NAM",
arXiv:2111.12419.
Differs: equation 5 divides gamma by its sum, so the C weights sum to 1 and the map shrinks by 1/C
at every stage (activations fall to 0.001 and the first layer's gradient to a thousandth); here they
have mean 1. The text's 3x3 kernel and the equation's 7x7 contradict each other; 7x7 on concatenated
maps is taken (two of three mentions). Gamma is that of the last norm of the same stage, absolute
and detached.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.models.blocks import ChannelMLP, mean_and_max

__all__ = ["SAB"]


class SAB(nn.Module):
    """Weigh channels by three poolings and the norm's gamma, then positions by a convolution.

    Args:
        channels: C.
        kernel: of the spatial convolution.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, kernel: int = 7) -> None:
        super().__init__()
        self.mlp = ChannelMLP(channels)
        self.spatial = nn.Sequential(
            nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(1),
            nn.Sigmoid(),
        )
        # In a tuple, so that the stage's norm is not a part of this module a second time.
        self._norm: tuple[nn.BatchNorm2d, ...] = ()

    def follow(self, norm: nn.BatchNorm2d) -> None:
        """Take the channel scale from `norm`, the last one of the stage; without one it is 1."""
        self._norm = (norm,)

    def channel_scale(self) -> Tensor | float:
        """C·|γ| / Σ|γ|, shape (C,), mean 1."""
        if not self._norm:
            return 1.0
        gamma = self._norm[0].weight.detach().abs()
        return gamma * (gamma.numel() / gamma.sum().clamp_min(torch.finfo(gamma.dtype).tiny))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the channel weights, then the spatial weights."""
        mean, maximum = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        # The norm of an all-zero map has no gradient at 0, hence the tiny floor under the root.
        length = (x.float().square().sum(dim=(2, 3)) + 1e-12).sqrt().to(x.dtype)
        weight = torch.sigmoid(self.mlp(mean) + self.mlp(maximum) + self.mlp(length))
        x = x * (weight * self.channel_scale()).to(x.dtype)[:, :, None, None]
        return x * self.spatial(mean_and_max(x))
