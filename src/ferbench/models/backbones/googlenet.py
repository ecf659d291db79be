"""GoogLeNet.

Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842; torchvision's
layers, before whose classifier it has dropout 0.2. P1's row "GoogleNet".
Differs: as torchvision: norms behind the convolutions, 3x3 in the place of 5x5; no auxiliary heads.
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

__all__ = ["googlenet"]

LOCATIONS = ("none", "last")
WEIGHTS = ("imagenet",)


def googlenet(attention: Attention, location: str, conv: ConvUnit, channels: int) -> nn.Module:
    """Features of an image at a 32nd of its size, 1024 channels.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: after the last Inception block.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.

    Raises:
        InputError: the location is unknown.
    """
    from torchvision.models.googlenet import GoogLeNet, Inception, InceptionAux

    check_location(location, LOCATIONS, "googlenet")
    unit = conv_block(conv)
    blocks = [unit, partial(Inception, conv_block=unit), InceptionAux]
    library = GoogLeNet(aux_logits=False, init_weights=True, blocks=blocks)
    if channels != 3:
        library.conv1 = unit(channels, 64, kernel_size=7, stride=2, padding=3)
    features = layers_before(library, "avgpool")
    last = len(features) - 1
    gates = {last: attend_to(attention, 1024, features)} if location == "last" else {}
    return LibraryBody(features, gates)


def pretrained(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, for images normalised as ImageNet's."""
    from torchvision.models import GoogLeNet_Weights

    del location  # names do not depend on it
    check_option("backbone googlenet", "weights", word, WEIGHTS)
    state = hub_state(GoogLeNet_Weights.IMAGENET1K_V1.url, {"": "body.features."})
    first = "body.features.conv1"
    return for_imagenet_input(state, f"{first}.conv", f"{first}.bn")
