"""Two hidden layers of 1000 behind a flattened map.

Source: P1, "IVSA", section III.A; dropout 0.2 from the code it builds on (Khaireddin & Chen,
arXiv:2105.03588).
Differs: the paper names no activation between the layers; GELU as in the stages, or ReLU as in that
code.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.library_body import feature_size
from ferbench.models.options import check_option
from ferbench.models.vgg import perceptron

__all__ = ["FC1000"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


class FC1000(nn.Module):
    """Classify by a perceptron over all positions of a map.

    The last layer of `classify` is the classifier.

    Args:
        body: the features, (N, C, H, W).
        classes: K.
        input_px: side of the image, which fixes the size of the flattened map.
        channels: of the image.
        activation: `gelu` or `relu`.
        dropout: share of zeroed hidden values.

    Shape:
        (N, channels, input_px, input_px) -> (N, K)

    Raises:
        InputError: an option's value is unknown.
    """

    TASK = "classify"

    def __init__(
        self,
        body: nn.Module,
        classes: int,
        input_px: int,
        channels: int,
        *,
        activation: str = "gelu",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_option("head fc1000", "activation", activation, _ACTIVATIONS)
        self.body = body
        width = feature_size(body, input_px, channels).numel()
        self.classify = perceptron((width, 1000, classes), _ACTIVATIONS[activation], dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.body(x))
