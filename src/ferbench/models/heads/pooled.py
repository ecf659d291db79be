"""One linear layer behind the mean over positions.

Source: He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, section 3.3.
Differs: nothing.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Pooled"]


class Pooled(nn.Module):
    """Classify by a linear layer over channel means.

    Args:
        body: the features, with `out_channels`.
        classes: K.
        input_px: not used: any size passes.
        channels: of the image, not used.

    Shape:
        (N, channels, H, W) -> (N, K)
    """

    TASK = "classify"

    def __init__(self, body: nn.Module, classes: int, input_px: int, channels: int) -> None:
        super().__init__()
        self.body = body
        self.classify = nn.Linear(int(body.out_channels), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.body(x).mean(dim=(2, 3)))
