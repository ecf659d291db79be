"""Area attention in the form of the YOLOv12 authors' own "turbo" models.

Source: Tian et al., "YOLOv12", arXiv:2502.12524, section 3.2, and the authors' release notes:
positions by a 5x5 depth-wise convolution, queries and keys by one convolution, values by another.
Differs: nothing. ultralytics' layer (7x7, one convolution for all three) is the earlier form.
"""

from __future__ import annotations

from torch import Tensor, nn
from ultralytics.nn.modules import A2C2f, Conv
from ultralytics.nn.modules.block import ABlock

__all__ = ["AreaAttention", "TurboA2C2f"]

_HEAD = 32  # channels of a head


class AreaAttention(nn.Module):
    """Attention among the places of one horizontal band, for each of `area` bands.

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
