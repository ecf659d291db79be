"""Spatial-and-channel attention block of IVSA.

Source: P1, "IVSA", section III.B, equations 2-8; the gamma scale after Liu et al., "NAM",
arXiv:2111.12419.
Differs: equation 5 divides gamma by its sum, so the C weights sum to 1 and the map shrinks by 1/C
at every stage (activations fall to 0.001 and the first layer's gradient to a thousandth); here they
have mean 1, and `gamma_scale: literal` is the equation. The text's 3x3 kernel on concatenated maps
and the equation's 7x7 on their sum contradict each other; 7x7 on concatenated maps is taken (two of
three mentions), the others are `kernel: 3` and `spatial: sum`. The figure's shared perceptron is
applied to each pooling; the formula's, to their sum, is `mlp: of_sum`. Gamma is that of the last
norm of the same stage, absolute and detached.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.models.blocks import ChannelMLP, check_option, mean_and_max, position_score

__all__ = ["SAB"]


class SAB(nn.Module):
    """Weigh channels by three poolings and the norm's gamma, then positions by a convolution.

    Args:
        channels: C.
        kernel: of the spatial convolution, 7 or 3.
        pooling_l2: the third pooling: `sum`, the length of a channel's map, or `rms`, the root of
            its mean square.
        mlp: the perceptron is applied to `each` pooling, or once, `of_sum`.
        gamma_scale: of the channel weights: `mean1`, or `literal`, whose sum is 1.
        spatial: mean and maximum map come to the convolution as `concat` or as their `sum`.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        kernel: int = 7,
        *,
        pooling_l2: str = "sum",
        mlp: str = "each",
        gamma_scale: str = "mean1",
        spatial: str = "concat",
    ) -> None:
        super().__init__()
        check_option("sab", "pooling_l2", pooling_l2, ("sum", "rms"))
        check_option("sab", "mlp", mlp, ("each", "of_sum"))
        check_option("sab", "gamma_scale", gamma_scale, ("mean1", "literal"))
        check_option("sab", "spatial", spatial, ("concat", "sum"))
        self.channels = channels
        self.rms, self.of_sum = pooling_l2 == "rms", mlp == "of_sum"
        self.literal, self.summed = gamma_scale == "literal", spatial == "sum"
        self.mlp = ChannelMLP(channels)
        self.spatial = position_score(1 if self.summed else 2, kernel).append(nn.Sigmoid())
        # In a tuple, so that the stage's norm is not a part of this module a second time.
        self._norm: tuple[nn.BatchNorm2d, ...] = ()

    def follow(self, norm: nn.BatchNorm2d) -> None:
        """Take the channel scale from `norm`, the last one of the stage; without one γ is 1."""
        self._norm = (norm,)

    def channel_scale(self) -> Tensor | float:
        """|γ| / Σ|γ|, shape (C,), times C if its mean shall be 1."""
        total = 1 if self.literal else self.channels
        if not self._norm:
            return total / self.channels
        gamma = self._norm[0].weight.detach().abs()
        return gamma * (total / gamma.sum().clamp_min(torch.finfo(gamma.dtype).tiny))

    def channel_weights(self, x: Tensor) -> Tensor:
        """The weights of channels before their scale, in (0, 1), (N, C)."""
        square = x.float().square()
        square = square.mean(dim=(2, 3)) if self.rms else square.sum(dim=(2, 3))
        # The norm of an all-zero map has no gradient at 0, hence the tiny floor under the root.
        length = (square + 1e-12).sqrt().to(x.dtype)
        mean, maximum = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        if self.of_sum:
            return torch.sigmoid(self.mlp(mean + maximum + length))
        return torch.sigmoid(self.mlp(mean) + self.mlp(maximum) + self.mlp(length))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the channel weights, then the spatial weights."""
        weight = self.channel_weights(x) * self.channel_scale()
        x = x * weight.to(x.dtype)[:, :, None, None]
        maps = mean_and_max(x)
        if self.summed:
            maps = maps.sum(dim=1, keepdim=True)
        return x * self.spatial(maps).to(x.dtype)
