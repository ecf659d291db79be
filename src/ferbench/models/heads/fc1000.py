"""Two hidden layers of 1000 behind a flattened map.

Source: P1, "IVSA", section III.A; dropout 0.2 from the code it builds on (Khaireddin & Chen,
arXiv:2105.03588).
Differs: the paper names no activation between the layers; GELU as in the stages.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.feature_size import feature_size

__all__ = ["FC1000"]


class FC1000(nn.Module):
    """Classify by a perceptron over all positions of a map.

    Args:
        body: the features, (N, C, H, W).
        classes: K.
        input_px: side of the image, which fixes the size of the flattened map.
        channels: of the image.

    Shape:
        (N, channels, input_px, input_px) -> (N, K)
    """

    TASK = "classify"

    def __init__(self, body: nn.Module, classes: int, input_px: int, channels: int) -> None:
        super().__init__()
        self.body = body
        width = feature_size(body, input_px, channels).numel()
        self.classify = nn.Sequential(
            nn.Flatten(),
            *(nn.Linear(width, 1000), nn.Dropout(0.2), nn.GELU()),
            *(nn.Linear(1000, 1000), nn.Dropout(0.2), nn.GELU()),
            nn.Linear(1000, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.body(x))
