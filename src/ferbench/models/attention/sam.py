"""Spatial attention, the part of CBAM that YOLO-OSAM compares itself with.

Source: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3.2; P0, "YOLO-OSAM", Traitement du
Signal 42(4), 2025, doi 10.18280/ts.420445, equation 1.
Differs: a BatchNorm behind the convolution, which the equations do not have and CBAM's code has.
P0's code has a 3x3 kernel (`kernel: 3`) and, in the sigmoid's place, a softmax over the channel
axis, which has one entry, so its gate is the identity for every input: `norm: channel`.
"""

from __future__ import annotations

from ferbench.models.gating import SpatialGate

__all__ = ["SAM"]


class SAM(SpatialGate):
    """Weigh positions by one convolution over the mean and the maximum of their channels.

    Args:
        channels: C; the gate is the same for any C.
        kernel: of the convolution, 7 or 3.
        norm: `sigmoid`, `channel`, `spatial` or `spatial_raw`.
        bn: whether the convolution has a BatchNorm behind it.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self, channels: int, kernel: int = 7, norm: str = "sigmoid", bn: bool = True
    ) -> None:
        super().__init__(kernel, norm, bn)
        self.channels = channels
