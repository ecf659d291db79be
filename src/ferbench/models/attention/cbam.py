"""Convolutional block attention: channels, then positions.

Source: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3, equation 2.
Differs: the perceptron has biases, as in the released code of P0 and of P1's baseline, and the
convolution a BatchNorm, as in CBAM's own code. "Light CBAM" of P4, which has neither, is
`{bias: false, bn: false}`.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.gating import ChannelGate, SpatialGate

__all__ = ["CBAM"]


class CBAM(nn.Module):
    """Weigh channels by their poolings, then positions by a convolution.

    Args:
        channels: C.
        reduction: C divided by the perceptron's hidden width.
        bias: of the perceptron.
        kernel: of the convolution, 7 or 3.
        norm: of the positions: `sigmoid`, `channel`, `spatial` or `spatial_raw`.
        bn: whether the convolution has a BatchNorm behind it.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        bias: bool = True,
        *,
        kernel: int = 7,
        norm: str = "sigmoid",
        bn: bool = True,
    ) -> None:
        super().__init__()
        self.channel = ChannelGate(channels, reduction, bias)
        self.spatial = SpatialGate(kernel, norm, bn)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the channel weights, then the spatial weights."""
        return self.spatial(self.channel(x))
