"""AlexNet.

Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
arXiv:1404.5997, its one-column form; torchvision's layers. P0's rows "AlexNet" and "CNN"; the paper
does not say where its attention stands: after the last convolution. Its head is `fc4096` with
`pool: 6` and `dropout_at: inputs`.
Differs: the convolutions start from He et al., "Delving Deep into Rectifiers", ICCV 2015,
arXiv:1502.01852, equation 10, as torchvision's VGG-16 and ResNet do. AlexNet has no norms, and from
torchvision's own initialization the differences between faces shrink to a hundredth over the five
convolutions: 192 steps of Adam on 32 faces do not get away from chance.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.library_body import LibraryBody, attend_to, hub_state, with_activation
from ferbench.models.options import check_option

__all__ = ["alexnet"]

LOCATIONS = ("none", "last", "all")
WEIGHTS = ("imagenet",)
MIN_PX = 63
# Index of the ReLU behind each convolution, and its channels.
_ACTIVATIONS = {1: 64, 4: 192, 7: 384, 9: 256, 11: 256}


def alexnet(attention: Attention, location: str, conv: ConvUnit, channels: int) -> nn.Module:
    """Features of an image of at least 63 px at about a 32nd of its size, 256 channels.

    Args:
        attention: the part that stands at `location`.
        location: `none`, `last`: after the fifth convolution's activation, before the pooling, or
            `all`: after every convolution's activation.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.

    Raises:
        InputError: the location is unknown.
    """
    from torchvision.models import AlexNet

    check_location(location, LOCATIONS, "alexnet")
    with torch.device("meta"):  # the library makes its 54 million classifier weights as well
        features = AlexNet().features
    features.to_empty(device="cpu")
    features[0] = nn.Conv2d(channels, 64, 11, stride=4, padding=2)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    with_activation(features, conv)
    places = {"none": [], "last": [11], "all": list(_ACTIVATIONS)}[location]
    gates = {i: attend_to(attention, _ACTIVATIONS[i], features[: i + 1]) for i in places}
    return LibraryBody(features, gates, MIN_PX)


def pretrained(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, with those of the two hidden layers of head `fc4096`."""
    from torchvision.models import AlexNet_Weights

    del location  # names do not depend on it
    check_option("backbone alexnet", "weights", word, WEIGHTS)
    hidden = {"classifier.1.": "classify.1.", "classifier.4.": "classify.4."}
    url = AlexNet_Weights.IMAGENET1K_V1.url
    return hub_state(url, {"features.": "body.features.", **hidden})
