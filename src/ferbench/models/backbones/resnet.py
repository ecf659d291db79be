"""ResNet-18 and ResNet-50.

Source: He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, table 1, and section 4.2
for the stem of small images; torchvision's layers. P1's row "ResNet18"; P4's ResNet-50, whose
attention stands once, behind the last block.
Differs: as torchvision, the stride of a bottleneck is in its 3x3 convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.library_body import (
    LibraryBody,
    attend_to,
    hub_state,
    layers_before,
    with_activation,
)
from ferbench.models.options import check_option

__all__ = ["resnet"]

LOCATIONS = ("none", "last_block")
WEIGHTS = ("imagenet",)
_DEPTHS = (18, 50)
_STEMS = ("imagenet", "cifar")


def resnet(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    *,
    depth: int = 18,
    stem: str = "imagenet",
) -> nn.Module:
    """Features of an image at a 32nd of its size, or an eighth with the small stem.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last_block`: after the last block, its addition and its activation.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.
        depth: 18 (512 channels) or 50 (2048 channels).
        stem: `imagenet`, 7x7 with stride 2 and a pooling, or `cifar`, 3x3 alone.

    Raises:
        InputError: the location or an option is unknown.
    """
    check_location(location, LOCATIONS, "resnet")
    check_option("backbone resnet", "stem", stem, _STEMS)
    library = _of_depth(depth)()
    width = library.fc.in_features
    shape = {"kernel_size": 7, "stride": 2, "padding": 3}
    if stem == "cifar":
        shape = {"kernel_size": 3, "stride": 1, "padding": 1}
        library.maxpool = nn.Identity()
    library.conv1 = nn.Conv2d(channels, 64, bias=False, **shape)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(library.conv1.weight, mode="fan_out", nonlinearity="relu")
    with_activation(library, conv)
    features = layers_before(library, "avgpool")
    last = len(features) - 1
    gates = {last: attend_to(attention, width, features)} if location == "last_block" else {}
    return LibraryBody(features, gates)


def pretrained(
    word: str, location: str = "none", depth: int = 18, stem: str = "imagenet"
) -> Mapping[str, Tensor]:
    """ImageNet's weights, the first version; the small stem has none of them that fits."""
    from torchvision.models import ResNet18_Weights, ResNet50_Weights

    del location, stem  # names do not depend on them
    check_option("backbone resnet", "weights", word, WEIGHTS)
    _of_depth(depth)
    weights = {18: ResNet18_Weights, 50: ResNet50_Weights}[depth]
    return hub_state(weights.IMAGENET1K_V1.url, {"": "body.features."})


def _of_depth(depth: int) -> Any:
    """The library's function for a depth."""
    from torchvision import models

    check_option("backbone resnet", "depth", depth, _DEPTHS)
    return {18: models.resnet18, 50: models.resnet50}[depth]
