"""VGG-16.

Source: Simonyan & Zisserman, "Very Deep Convolutional Networks", ICLR 2015, arXiv:1409.1556,
configuration D; torchvision's layers. P0's row "VGG-16".
Differs: norms behind the convolutions by default, and head `pooled`; the paper's own form is
`batch_norm: false` with head `fc4096` and `pool: 7`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.library_body import LibraryBody, attend_to, hub_state, with_activation
from ferbench.models.options import check_option

__all__ = ["vgg16"]

LOCATIONS = ("none", "last")
WEIGHTS = ("imagenet",)
MIN_PX = 32


def vgg16(
    attention: Attention, location: str, conv: ConvUnit, channels: int, batch_norm: bool = True
) -> nn.Module:
    """Features of an image of at least 32 px at a 32nd of its size, 512 channels.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: after the last convolution's activation, before the pooling.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.
        batch_norm: a norm behind each convolution.

    Raises:
        InputError: the location is unknown.
    """
    from torchvision.models.vgg import cfgs, make_layers

    check_location(location, LOCATIONS, "vgg16")
    features = make_layers(cfgs["D"], batch_norm=batch_norm)
    features[0] = nn.Conv2d(channels, 64, 3, padding=1)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    with_activation(features, conv)
    before_pool = len(features) - 2
    gates = {before_pool: attend_to(attention, 512, features)} if location == "last" else {}
    return LibraryBody(features, gates, MIN_PX)


def pretrained(word: str, location: str = "none", batch_norm: bool = True) -> Mapping[str, Tensor]:
    """ImageNet's weights, with those of the two hidden layers of head `fc4096`."""
    from torchvision.models import VGG16_BN_Weights, VGG16_Weights

    del location  # names do not depend on it
    check_option("backbone vgg16", "weights", word, WEIGHTS)
    weights = (VGG16_BN_Weights if batch_norm else VGG16_Weights).IMAGENET1K_V1
    hidden = {"classifier.0.": "classify.1.", "classifier.3.": "classify.4."}
    return hub_state(weights.url, {"features.": "body.features.", **hidden})
