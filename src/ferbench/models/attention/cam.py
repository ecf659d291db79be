"""Channel attention, the other part of CBAM.

Source: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3.1.
Differs: the perceptron has biases, as in the released code of P0 and of P1's baseline; with
`bias: false` it is the equation's.
"""

from __future__ import annotations

from ferbench.models.gating import ChannelGate

__all__ = ["CAM"]


class CAM(ChannelGate):
    """Weigh channels by one perceptron over their means and maxima.

    Args:
        channels: C.
        reduction: C divided by the perceptron's hidden width.
        bias: of the perceptron.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """
