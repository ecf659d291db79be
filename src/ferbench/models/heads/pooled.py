"""One linear layer behind the mean over positions.

Source: He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, section 3.3.
Differs: nothing; dropout in front of the layer for the networks that have it.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.library_body import feature_size
from ferbench.models.vgg import dropout_of

__all__ = ["Pooled"]


class Pooled(nn.Module):
    """Classify by a linear layer over channel means.

    Args:
        body: the features, (N, C, H, W).
        classes: K.
        input_px: side of an image that the body takes; any other passes too.
        channels: of the image.
        dropout: share of zeroed means.

    Shape:
        (N, channels, H, W) -> (N, K)

    Raises:
        InputError: `dropout` is no share.
    """

    TASK = "classify"

    def __init__(
        self,
        body: nn.Module,
        classes: int,
        input_px: int,
        channels: int,
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = body
        self.dropout = dropout_of(dropout)
        self.classify = nn.Linear(feature_size(body, input_px, channels)[0], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.dropout(self.body(x).mean(dim=(2, 3))))
