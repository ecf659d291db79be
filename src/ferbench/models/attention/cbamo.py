"""Channel attention, then YOLO-OSAM's orderly spatial attention.

Source: P0, "YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445, table 2, the rows
"Channel AM + OSAM".
Differs: the authors' class for these rows cannot be constructed, so the two parts are put together
as CBAM's are. What the orderly part changes is said in the attention `osam`.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.gating import ChannelGate, OrderlyGate

__all__ = ["CBAMO"]


class CBAMO(nn.Module):
    """Weigh channels by their poolings, then positions by a softmax.

    Args:
        channels: C.
        reduction: C divided by the perceptron's hidden width.
        bias: of the perceptron.
        repeat: CBL units a branch, 0 to 4.
        norm: `spatial` (mean 1), `spatial_raw`, `channel` or `sigmoid`.
        residual: `none`, `add` or `mean`: of the map with and without the weights of positions.
        gamma_init: start of the last norm's weight.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        bias: bool = True,
        *,
        repeat: int = 3,
        norm: str = "spatial",
        residual: str = "none",
        gamma_init: float = 0.1,
    ) -> None:
        super().__init__()
        self.channel = ChannelGate(channels, reduction, bias)
        self.spatial = OrderlyGate(repeat, norm, residual, gamma_init=gamma_init)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the channel weights, then the spatial weights."""
        return self.spatial(self.channel(x))
