"""Two hidden layers of 4096 with ReLU behind a flattened map.

Source: Simonyan & Zisserman, arXiv:1409.1556, table 1 (VGG, dropout 0.5, a 7x7 map); Krizhevsky,
arXiv:1404.5997 (AlexNet, dropout 0.5 before the hidden layers, a 6x6 map); Khaireddin & Chen,
arXiv:2105.03588 (dropout 0.2, the map as it is).
Differs: as torchvision, a map of another size is pooled to the one named.
"""

from __future__ import annotations

from torch import Tensor, nn

from ferbench.models.library_body import feature_size
from ferbench.models.vgg import perceptron

__all__ = ["FC4096"]


class FC4096(nn.Module):
    """Classify by a perceptron over all positions of a map.

    The last layer of `classify` is the classifier.

    Args:
        body: the features, (N, C, H, W).
        classes: K.
        input_px: side of the image, which fixes the size of a map that is not pooled.
        channels: of the image.
        pool: side that the map is pooled to by its mean; 0 leaves it as it is.
        dropout: share of zeroed values.
        dropout_at: `outputs` of the hidden layers, as VGG, or their `inputs`, as AlexNet.

    Shape:
        (N, channels, input_px, input_px) -> (N, K); any size if the map is pooled

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
        pool: int = 0,
        dropout: float = 0.5,
        dropout_at: str = "outputs",
    ) -> None:
        super().__init__()
        self.body = body
        size = feature_size(body, input_px, channels)
        width, flat = size.numel(), None
        if pool:
            width = size[0] * pool * pool
            flat = nn.Sequential(nn.AdaptiveAvgPool2d(pool), nn.Flatten())
        self.classify = perceptron((width, 4096, classes), nn.ReLU, dropout, dropout_at, flat)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.body(x))
