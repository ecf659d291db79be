"""Inception-v3.

Source: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, arXiv:1512.00567;
torchvision's layers, before whose classifier it has dropout 0.5. P1's row "Inception", which does
not say which version.
Differs: no auxiliary head.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.library_body import (
    LibraryBody,
    attend_to,
    conv_block,
    for_imagenet_input,
    hub_state,
    layers_before,
)
from ferbench.models.options import check_option

__all__ = ["inception"]

LOCATIONS = ("none", "last")
WEIGHTS = ("imagenet",)
MIN_PX = 75


def inception(attention: Attention, location: str, conv: ConvUnit, channels: int) -> nn.Module:
    """Features of an image of at least 75 px at about a 32nd of its size, 2048 channels.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: after the last Inception block.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.

    Raises:
        InputError: the location is unknown.
    """
    from torchvision.models import inception as library

    check_location(location, LOCATIONS, "inception")
    unit = conv_block(conv)
    kinds = [getattr(library, f"Inception{kind}") for kind in "ABCDE"]
    blocks = [unit, *(partial(kind, conv_block=unit) for kind in kinds), library.InceptionAux]
    network = library.Inception3(aux_logits=False, init_weights=True, inception_blocks=blocks)
    if channels != 3:
        network.Conv2d_1a_3x3 = unit(channels, 32, kernel_size=3, stride=2)
    features = layers_before(network, "avgpool")
    last = len(features) - 1
    gates = {last: attend_to(attention, 2048, features)} if location == "last" else {}
    return LibraryBody(features, gates, MIN_PX)


def pretrained(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, for images normalised as ImageNet's."""
    from torchvision.models import Inception_V3_Weights

    del location  # names do not depend on it
    check_option("backbone inception", "weights", word, WEIGHTS)
    state = hub_state(Inception_V3_Weights.IMAGENET1K_V1.url, {"": "body.features."})
    first = "body.features.Conv2d_1a_3x3"
    return for_imagenet_input(state, f"{first}.conv", f"{first}.bn")
