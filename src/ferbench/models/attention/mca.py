"""Multidimensional collaborative attention: gates over channels, rows and columns.

Source: Yu et al., "MCA", Engineering Applications of Artificial Intelligence 126 (2023) 107079,
section 3; P2 (YOLO-FER) puts it behind the area attention of its backbone.
Differs: the deviation is the root of the variance plus 1e-9 and is 0 where there is one value to
take it of, where the unbiased one is not a number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["MCA"]


class MCA(nn.Module):
    """The mean of three gated copies of a map, one a dimension.

    Args:
        channels: C; fixes the kernel over channels, 3 for 128 and 5 for 256.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = _Gate(_kernel(channels))
        self.rows = _Gate(3)
        self.columns = _Gate(3)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh each dimension in the place of the channels, and average."""
        over_rows = self.rows(x.transpose(1, 2)).transpose(1, 2)
        over_columns = self.columns(x.transpose(1, 3)).transpose(1, 3)
        return (self.channels(x) + over_rows + over_columns) / 3


class _Gate(nn.Module):
    """Weigh the entries of the first dimension: (N, D, U, V) -> (N, D, U, V)."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.rand(2))  # of mean and deviation, before the sigmoid
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # Squares of half precision overflow, so the moments are taken in float32.
        flat = x.float().flatten(2)
        mean = flat.mean(dim=2)
        spread = (flat.var(dim=2) + 1e-9).sqrt() if flat.shape[2] > 1 else torch.zeros_like(mean)
        mean_share, spread_share = self.mix.sigmoid()
        pooled = (mean + spread) / 2 + mean_share * mean + spread_share * spread
        pooled = pooled.to(self.conv.weight.dtype)
        weight = self.conv(pooled.unsqueeze(1)).squeeze(1).sigmoid()
        return x * weight[:, :, None, None].to(x.dtype)


def _kernel(channels: int) -> int:
    """The odd number at or below |log2 C - 1| / 1.5, at least 1."""
    size = round(abs(math.log2(channels) - 1) / 1.5)
    return max(1, size if size % 2 else size - 1)
