"""Networks of ImageNet's table by torchvision's layers: AlexNet, VGG-16, ResNet and two Inceptions.

Each is a function of the attention that stands at `location`, of the location, of the convolution
unit whose activation replaces ReLU, and of the image's channels; it raises InputError for an
unknown location or option. It gives features at about a 32nd of the image's size unless it says
otherwise. `<backbone>_weights` gives ImageNet's weights under our names.
Sources: at each function; as torchvision has them unless it says otherwise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, attend, check_location, check_option
from ferbench.models.library_body import LibraryBody, for_imagenet_input, with_activation
from ferbench.models.pretrained import hub_file, read_state

__all__ = ["alexnet", "googlenet", "inception", "resnet", "vgg16"]

_WEIGHTS = ("imagenet",)
# AlexNet: index of the ReLU behind each convolution, and its channels.
_ALEXNET_ACTIVATIONS = {1: 64, 4: 192, 7: 384, 9: 256, 11: 256}


def alexnet(
    attention: Attention, location: str, conv: ConvUnit, channels: int, *, width: float = 1.0
) -> nn.Module:
    """AlexNet: 256 channels, from images of at least 63 px.

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
    arXiv:1404.5997, its one-column form. P0's rows "AlexNet" and "CNN"; the paper does not say
    where its attention stands: after the last convolution. Its head is `fc4096` with `pool: 6` and
    `dropout_at: inputs`.
    Differs: the convolutions start from He et al., "Delving Deep into Rectifiers", ICCV 2015,
    arXiv:1502.01852, equation 10, as torchvision's VGG-16 and ResNet do. AlexNet has no norms, and
    from torchvision's own initialization the differences between faces shrink to a hundredth over
    the five convolutions: 192 steps of Adam on 32 faces do not get away from chance.
    Locations: `none`; `last`: after the fifth convolution's activation, before the pooling; `all`:
    after every convolution's activation.
    `width` is the factor of channels: 1, or 0.25, a smaller tier of ours.
    """
    from torchvision.models import AlexNet

    check_location(location, ("none", "last", "all"), "alexnet")
    check_option("backbone alexnet", "width", width, (0.25, 1.0))
    with torch.device("meta"):  # the library makes its 54 million classifier weights as well
        features = AlexNet().features
        if width != 1:
            _narrow(features, width, first="0")
    features.to_empty(device="cpu")
    features[0] = nn.Conv2d(channels, int(64 * width), 11, stride=4, padding=2)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    with_activation(features, conv)
    places = {"none": [], "last": [11], "all": list(_ALEXNET_ACTIVATIONS)}[location]
    gates = {
        i: attend(attention, int(_ALEXNET_ACTIVATIONS[i] * width), features[: i + 1])
        for i in places
    }
    return LibraryBody(features, gates, min_px=63)


def _narrow(features: nn.Module, width: float, first: str) -> None:
    """Give a network a share of its channels, in place; new layers are on torch's current device.

    Args:
        features: convolutions without groups, norms with torch's default settings, and layers that
            have no channels of their own.
        width: the share; every number of channels stays whole.
        first: name of the first convolution, whose input keeps its channels.
    """
    for name, layer in list(features.named_modules()):
        parent, _, child = name.rpartition(".")
        if isinstance(layer, nn.BatchNorm2d):
            narrow: nn.Module = nn.BatchNorm2d(int(layer.num_features * width))
        elif isinstance(layer, nn.Conv2d):
            narrow = nn.Conv2d(
                layer.in_channels if name == first else int(layer.in_channels * width),
                int(layer.out_channels * width),
                layer.kernel_size,  # type: ignore[arg-type]
                stride=layer.stride,  # type: ignore[arg-type]
                padding=layer.padding,  # type: ignore[arg-type]
                bias=layer.bias is not None,
            )
        else:
            continue
        setattr(features.get_submodule(parent), child, narrow)


def alexnet_weights(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, with those of the two hidden layers of head `fc4096`."""
    from torchvision.models import AlexNet_Weights

    del location  # names do not depend on it
    hidden = {"classifier.1.": "classify.1.", "classifier.4.": "classify.4."}
    prefixes = {"features.": "body.features.", **hidden}
    return _hub_state("alexnet", word, AlexNet_Weights.IMAGENET1K_V1, prefixes)


def vgg16(
    attention: Attention, location: str, conv: ConvUnit, channels: int, batch_norm: bool = True
) -> nn.Module:
    """VGG-16: 512 channels, from images of at least 32 px.

    Source: Simonyan & Zisserman, "Very Deep Convolutional Networks", ICLR 2015, arXiv:1409.1556,
    configuration D. P0's row "VGG-16".
    Differs: norms behind the convolutions by default, and head `pooled`; the paper's own form is
    `batch_norm: false` with head `fc4096` and `pool: 7`.
    Locations: `none`; `last`: after the last convolution's activation, before the pooling.
    """
    from torchvision.models.vgg import cfgs, make_layers

    check_location(location, ("none", "last"), "vgg16")
    features = make_layers(cfgs["D"], batch_norm=batch_norm)
    features[0] = nn.Conv2d(channels, 64, 3, padding=1)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    with_activation(features, conv)
    before_pool = len(features) - 2
    gates = {before_pool: attend(attention, 512, features)} if location == "last" else {}
    return LibraryBody(features, gates, min_px=32)


def vgg16_weights(
    word: str, location: str = "none", batch_norm: bool = True
) -> Mapping[str, Tensor]:
    """ImageNet's weights, with those of the two hidden layers of head `fc4096`."""
    from torchvision.models import VGG16_BN_Weights, VGG16_Weights

    del location  # names do not depend on it
    weights = (VGG16_BN_Weights if batch_norm else VGG16_Weights).IMAGENET1K_V1
    hidden = {"classifier.0.": "classify.1.", "classifier.3.": "classify.4."}
    return _hub_state("vgg16", word, weights, {"features.": "body.features.", **hidden})


def resnet(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    *,
    depth: int = 18,
    stem: str = "imagenet",
    width: float = 1.0,
) -> nn.Module:
    """ResNet-18 with 512 or ResNet-50 with 2048 channels; at an eighth with the small stem.

    Source: He et al., "Deep Residual Learning", CVPR 2016, arXiv:1512.03385, table 1, and section
    4.2 for the stem of small images. P1's row "ResNet18"; P4's ResNet-50, whose attention stands
    once, behind the last block.
    Differs: as torchvision, the stride of a bottleneck is in its 3x3 convolution.
    Locations: `none`; `last_block`: after the last block, its addition and its activation.
    `depth` is 18 or 50; `stem` is `imagenet`, 7x7 with stride 2 and a pooling, or `cifar`, 3x3
    alone. `width` is the factor of channels: 1, or 0.25, a smaller tier of ours.
    """
    check_location(location, ("none", "last_block"), "resnet")
    check_option("backbone resnet", "stem", stem, ("imagenet", "cifar"))
    check_option("backbone resnet", "width", width, (0.25, 1.0))
    library = _resnet_of(depth)()
    shape = {"kernel_size": 7, "stride": 2, "padding": 3}
    if stem == "cifar":
        shape = {"kernel_size": 3, "stride": 1, "padding": 1}
        library.maxpool = nn.Identity()
    library.conv1 = nn.Conv2d(channels, 64, bias=False, **shape)  # type: ignore[arg-type]
    drawn = [library.conv1]
    if width != 1:
        _narrow(library, width, first="conv1")
        drawn = [layer for layer in library.modules() if isinstance(layer, nn.Conv2d)]
    for layer in drawn:  # as the library does
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    with_activation(library, conv)
    c_out = int(library.fc.in_features * width)
    return _behind_last(library, attention if location == "last_block" else None, c_out)


def resnet_weights(
    word: str,
    location: str = "none",
    depth: int = 18,
    stem: str = "imagenet",
    width: float = 1.0,
) -> Mapping[str, Tensor]:
    """ImageNet's weights, the first version; the small stem has none of them that fits."""
    from torchvision.models import ResNet18_Weights, ResNet50_Weights

    del location, stem, width  # names do not depend on them
    _resnet_of(depth)
    weights = {18: ResNet18_Weights, 50: ResNet50_Weights}[depth]
    return _hub_state("resnet", word, weights.IMAGENET1K_V1, {"": "body.features."})


def _resnet_of(depth: int) -> Any:
    """The library's function for a depth."""
    from torchvision import models

    check_option("backbone resnet", "depth", depth, (18, 50))
    return {18: models.resnet18, 50: models.resnet50}[depth]


def googlenet(attention: Attention, location: str, conv: ConvUnit, channels: int) -> nn.Module:
    """GoogLeNet: 1024 channels.

    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842, before
    whose classifier torchvision has dropout 0.2. P1's row "GoogleNet".
    Differs: as torchvision: norms behind the convolutions, 3x3 in the place of 5x5; no auxiliary
    heads.
    Locations: `none`; `last`: after the last Inception block.
    """
    from torchvision.models.googlenet import GoogLeNet, Inception, InceptionAux

    check_location(location, ("none", "last"), "googlenet")
    unit = partial(_conv_norm_act, conv)
    blocks = [unit, partial(Inception, conv_block=unit), InceptionAux]
    library = GoogLeNet(aux_logits=False, init_weights=True, blocks=blocks)
    if channels != 3:
        library.conv1 = unit(channels, 64, kernel_size=7, stride=2, padding=3)
    return _behind_last(library, attention if location == "last" else None, 1024)


def googlenet_weights(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, for images normalised as ImageNet's."""
    from torchvision.models import GoogLeNet_Weights

    del location  # names do not depend on it
    weights = GoogLeNet_Weights.IMAGENET1K_V1
    state = _hub_state("googlenet", word, weights, {"": "body.features."})
    return for_imagenet_input(state, "body.features.conv1.conv", "body.features.conv1.bn")


def inception(attention: Attention, location: str, conv: ConvUnit, channels: int) -> nn.Module:
    """Inception-v3: 2048 channels, from images of at least 75 px.

    Source: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, arXiv:1512.00567,
    before whose classifier torchvision has dropout 0.5. P1's row "Inception", which does not say
    which version.
    Differs: no auxiliary head.
    Locations: `none`; `last`: after the last Inception block.
    """
    from torchvision.models import inception as library

    check_location(location, ("none", "last"), "inception")
    unit = partial(_conv_norm_act, conv)
    kinds = [getattr(library, f"Inception{kind}") for kind in "ABCDE"]
    blocks = [unit, *(partial(kind, conv_block=unit) for kind in kinds), library.InceptionAux]
    network = library.Inception3(aux_logits=False, init_weights=True, inception_blocks=blocks)
    if channels != 3:
        network.Conv2d_1a_3x3 = unit(channels, 32, kernel_size=3, stride=2)
    return _behind_last(network, attention if location == "last" else None, 2048, min_px=75)


def inception_weights(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, for images normalised as ImageNet's."""
    from torchvision.models import Inception_V3_Weights

    del location  # names do not depend on it
    weights = Inception_V3_Weights.IMAGENET1K_V1
    state = _hub_state("inception", word, weights, {"": "body.features."})
    first = "body.features.Conv2d_1a_3x3"
    return for_imagenet_input(state, f"{first}.conv", f"{first}.bn")


def _behind_last(
    library: nn.Module, attention: Attention | None, width: int, min_px: int = 1
) -> LibraryBody:
    """The layers up to the network's mean over positions, with an attention behind the last."""
    layers = OrderedDict(library.named_children())
    names = list(layers)
    features = nn.Sequential(OrderedDict(list(layers.items())[: names.index("avgpool")]))
    gates = {len(features) - 1: attend(attention, width, features)} if attention else {}
    return LibraryBody(features, gates, min_px)


def _conv_norm_act(conv: ConvUnit, c_in: int, c_out: int, **kwargs: Any) -> nn.Module:
    """What torchvision's Inception networks call to make a convolution with norm and activation.

    The library's own calls the activation as a function, which no unit could replace.
    """
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(c_in, c_out, bias=False, **kwargs),
            bn=nn.BatchNorm2d(c_out, eps=0.001),
            act=conv.module() or nn.ReLU(inplace=True),
        )
    )


def _hub_state(
    backbone: str, word: str, published: Any, prefixes: Mapping[str, str]
) -> dict[str, Tensor]:
    """Published weights under our names; a tensor whose beginning is not listed is left out.

    Args:
        backbone: for messages.
        word: of the row's column `weights`.
        published: torchvision's entry, which has the file's address.
        prefixes: beginning of a name there, and what stands for it here.

    Raises:
        InputError: the word is unknown, or the file is not at hand.
    """
    check_option(f"backbone {backbone}", "weights", word, _WEIGHTS)
    return {
        ours + name.removeprefix(theirs): value
        for name, value in read_state(hub_file(published.url)).items()
        for theirs, ours in prefixes.items()
        if name.startswith(theirs)
    }
