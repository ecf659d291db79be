"""Any convolutional classifier of timm or torchvision, by its name in that library.

A row names it: `backbone: timm, options: {backbone: {model: mobilenetv3_small_100}}`, with head
`pooled`. The network is the library's without its classifier. `timm_weights` gives the weights that
timm publishes, for rows with `weights: imagenet` and a recipe with `normalize: imagenet`.
Sources: Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models;
torchvision.models. In no paper of ours.
Differs: nothing but the classifier; a network that does not end in a map of its image, such as a
transformer, is refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from functools import cache

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from ferbench.errors import InputError
from ferbench.models.blocks import Attention, ConvUnit, attend, check_location, check_option
from ferbench.models.build import IMAGENET_DEVIATION, IMAGENET_MEAN
from ferbench.models.library_body import LibraryBody, with_activation

__all__ = ["timm", "torchvision"]

_WHERE = "params.yaml: variants: options: backbone: model"
_SIDES = (32, 48, 64, 96)  # of images that are tried, in pixels
_PX = _SIDES[-1]  # of the image whose map is looked at
_REFUSED = (AssertionError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def timm(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    *,
    model: str = "mobilenetv3_small_100",
) -> nn.Module:
    """The features of a network of timm.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: behind the last map.
        conv: the unit whose activation replaces the network's own.
        channels: of the image.
        model: its name in timm, with or without the tag of its weights.

    Raises:
        InputError: the location or the model is unknown, or it gives no map.
    """
    from timm import list_models

    check_location(location, ("none", "last"), "timm")
    _check_model("timm", model.split(".")[0], list_models())

    # The whole network is one layer: its norms hold activations.
    return _body("timm", model, (attention, location, conv, channels))


def timm_weights(
    word: str, location: str = "none", model: str = "mobilenetv3_small_100"
) -> Mapping[str, Tensor]:
    """The weights that timm publishes for a model: those of its tag, or of its first one.

    timm downloads them from the Hugging Face hub at first use and keeps them in the hub's cache.

    Raises:
        InputError: there are none, they cannot be downloaded, or they are for images that are
            normalised by other numbers than ImageNet's.
    """
    from timm import create_model
    from timm.models import get_pretrained_cfg

    del location  # names do not depend on it
    check_option("backbone timm", "weights", word, ("imagenet",))
    try:
        about = get_pretrained_cfg(model)
    except RuntimeError:  # no such tag
        about = None
    if about is None or not about.has_weights:
        raise InputError(
            f"timm publishes no weights of {model}",
            where="params.yaml: variants: weights",
            remedy="write `weights: none`, or the path of a file",
        )
    if (tuple(about.mean), tuple(about.std)) != (IMAGENET_MEAN, IMAGENET_DEVIATION):
        raise InputError(
            f"the weights of {model} are for images normalised by {about.mean} and {about.std}",
            where="params.yaml: variants: weights",
            remedy="take a model whose weights are for ImageNet's mean and deviation",
        )
    try:
        network = create_model(model, pretrained=True, num_classes=0, global_pool="")
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"the weights of {model} are not at hand: {error}",
            where="params.yaml: variants: weights",
            remedy="connect to the internet once, or write the path of a file",
        ) from error
    return {f"body.features.0.{name}": value for name, value in network.state_dict().items()}


def torchvision(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    *,
    model: str = "mobilenet_v3_small",
) -> nn.Module:
    """The features of a classifier of torchvision: its last map of more than one position.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: behind the last map.
        conv: the unit whose activation replaces the network's own.
        channels: of the image.
        model: its name in torchvision.

    Raises:
        InputError: the location or the model is unknown, or it gives no map.
    """
    from torchvision import models

    check_location(location, ("none", "last"), "torchvision")
    _check_model("torchvision", model, models.list_models(models))

    return _body("torchvision", model, (attention, location, conv, channels))


class _LastMap(nn.Module):
    """The last map that a classifier of torchvision computes, without what comes behind it.

    Shape:
        (N, channels, H, W) -> (N, C, h, w)
    """

    def __init__(self, model: str, channels: int) -> None:
        super().__init__()
        nodes = {_last_map(model, channels): "map"}
        self.network = create_feature_extractor(_of_torchvision(model, channels), nodes)

    def forward(self, x: Tensor) -> Tensor:
        last: Tensor = self.network(x)["map"]
        return last


def _of_torchvision(model: str, channels: int) -> nn.Module:
    from torchvision import models

    network: nn.Module = models.get_model(model, weights=None)
    if channels != 3:
        _replace_stem(network, channels)
    return network


@cache
def _last_map(model: str, channels: int) -> str:
    """The node of a network's graph that gives its last map of more than one position."""
    with torch.device("meta"):
        network = _of_torchvision(model, channels)
        _, nodes = get_graph_node_names(network)
        # SqueezeNet's classifier is a convolution before the pooling.
        features = [name for name in nodes if not name.startswith("classifier")]
        found = create_feature_extractor(network, features).eval()(
            torch.zeros(1, channels, _PX, _PX)
        )
    return [name for name in features if _is_map(found.get(name))][-1]


def _check_model(backbone: str, model: str, known: Collection[str]) -> None:
    """Refuse an unknown model; the library has too many to list them all."""
    if model not in known:
        near = ", ".join(difflib.get_close_matches(model, known, n=3))
        raise InputError(
            f"{backbone} has no classifier {model!r}",
            where=_WHERE,
            remedy=f"did you mean {near}?" if near else f"take one of {backbone}'s list_models()",
        )


def _is_map(value: object) -> bool:
    """Whether it is a map (1, C, H, W) of more than one position."""
    return isinstance(value, Tensor) and value.ndim == 4 and value.shape[2:].numel() > 1


def _replace_stem(network: nn.Module, channels: int) -> None:
    """Let the first convolution take another number of channels."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                about = (child.out_channels, child.kernel_size, child.stride, child.padding)
                bias = child.bias is not None
                setattr(parent, name, nn.Conv2d(channels, *about, bias=bias))  # type: ignore[arg-type]
                return


def _body(backbone: str, model: str, given: tuple[Attention, str, ConvUnit, int]) -> LibraryBody:
    """The network with an attention behind its last map."""
    attention, location, conv, channels = given
    width, smallest = _shape(backbone, model, channels)
    features = _features(backbone, model, channels)
    with_activation(features, conv)
    gates = {0: attend(attention, width, features)} if location == "last" else {}
    return LibraryBody(features, gates, min_px=smallest)


def _features(backbone: str, model: str, channels: int) -> nn.Sequential:
    if backbone == "torchvision":
        return nn.Sequential(_LastMap(model, channels))
    from timm import create_model

    return nn.Sequential(create_model(model, num_classes=0, global_pool="", in_chans=channels))


@cache
def _shape(backbone: str, model: str, channels: int) -> tuple[int, int]:
    """Channels of the last map, and the smallest image that leaves one, found without values.

    Raises:
        InputError: the network gives no map.
    """
    with torch.device("meta"):
        try:
            network = _features(backbone, model, channels).eval()
        except _REFUSED as error:
            raise _no_map(backbone, model) from error
        found = {px: _output(network, channels, px) for px in _SIDES}
    last = found[_PX]
    # A transformer of windows has its channels last.
    if last is None or not (_is_map(last) and last.shape[1] > last.shape[3]):
        raise _no_map(backbone, model)
    return last.shape[1], min(px for px, output in found.items() if output is not None)


def _output(network: nn.Module, channels: int, px: int) -> Tensor | None:
    """What a network without values gives for an image; None if it does not take this size."""
    try:
        output: Tensor = network(torch.zeros(1, channels, px, px))
    except _REFUSED:
        return None
    return output


def _no_map(backbone: str, model: str) -> InputError:
    return InputError(
        f"{backbone}'s {model} does not end in a map (N, C, H, W) of an image of {_PX} px",
        where=_WHERE,
        remedy="take a convolutional network",
    )
