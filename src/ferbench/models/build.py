"""A row of the variants table as a network, what it is fed and which maps explain it.

The one place where parts meet.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.config.params import Recipe, Variant
from ferbench.errors import InputError, unknown
from ferbench.plugins import load

__all__ = [
    "IMAGENET_DEVIATION",
    "IMAGENET_MEAN",
    "PARTS",
    "as_fractions",
    "build_loss",
    "build_network",
    "cam_layers",
    "logits_of",
    "task_of",
]

# Column of the variants table -> plug-in package.
PARTS = {
    "backbone": "ferbench.models.backbones",
    "conv": "ferbench.models.convs",
    "attention": "ferbench.models.attention",
    "head": "ferbench.models.heads",
    "loss": "ferbench.models.losses",
}
# Mean and deviation of ImageNet's training images, red, green, blue.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_ANY_WIDTH = 1  # stands for the channels that an attention is called with


def task_of(variant: Variant) -> str:
    """`classify` or `detect`, as declared by the row's head.

    Raises:
        InputError: the head or the loss is unknown, or they are of different tasks.
    """
    head, loss = _part(variant, "head").TASK, _part(variant, "loss").TASK
    if head != loss:
        raise InputError(
            f"head {variant.head!r} is made to {head}, loss {variant.loss!r} to {loss}",
            where="params.yaml: variants",
            remedy=f"take a loss that is made to {head}",
        )
    return str(head)


def build_network(variant: Variant, recipe: Recipe, classes: int, seed: int) -> nn.Module:
    """The network of a row, its weights drawn from `seed`.

    Args:
        variant: the row.
        recipe: gives the image's size and channels, and the norms' momentum.
        classes: K.
        seed: of the initial weights; torch's global generator is left as it was.

    Raises:
        InputError: a word of the row is unknown, or head and backbone do not fit.
    """
    task = task_of(variant)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        options = _options(variant, "attention", _ANY_WIDTH)
        attention = partial(_part(variant, "attention"), **options)
        given = (attention, variant.location, _part(variant, "conv"), recipe.channels)
        body = _part(variant, "backbone")(*given, **_options(variant, "backbone", *given))
        if isinstance(body, nn.Module) != (task == "classify"):
            raise InputError(
                f"head {variant.head!r} does not fit backbone {variant.backbone!r}",
                where="params.yaml: variants",
                remedy="a graph of layers takes head `detect`, a feature extractor takes another",
            )
        shape = (body, classes, recipe.input_px, recipe.channels)
        network: nn.Module = _part(variant, "head")(*shape, **_options(variant, "head", *shape))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.bn_momentum
    for name, parameter in network.named_parameters():
        if ".dfl." in name:  # 0, 1, 2, ...: a constant of the distribution head, no weight
            parameter.requires_grad_(False)
    if recipe.normalize == "imagenet":
        _normalize_input(network, recipe.channels)
    return network


def build_loss(variant: Variant, network: nn.Module, counts: Tensor | None = None) -> Any:
    """The loss of a row.

    Args:
        variant: the row.
        network: that is trained, on its device.
        counts: number of training faces of each class (K,), for losses that weigh classes.
    """
    given = (network, counts)
    return _part(variant, "loss")(*given, **_options(variant, "loss", *given))


def _part(variant: Variant, column: str) -> Any:
    return load(PARTS[column], getattr(variant, column))


def _options(variant: Variant, column: str, *args: Any) -> dict[str, Any]:
    """The options of a part that takes `args` before them.

    Raises:
        InputError: an option, or the column that it is given for, is unknown.
    """
    for name in variant.options:
        if name not in PARTS:
            raise unknown("column with options", name, PARTS, where="params.yaml: variants")
    options = dict(variant.options.get(column, {}))
    parameters = list(inspect.signature(_part(variant, column)).parameters)[len(args) :]
    for option in options:
        if option not in parameters:
            where = f"params.yaml: variants: options: {column}: {getattr(variant, column)}"
            raise unknown("option", option, parameters, where=where)
    return options


def as_fractions(image: Tensor, device: torch.device) -> Tensor:
    """Bytes (..., C, H, W) as float32 fractions in [0, 1] on a device."""
    image = image.to(device)
    if image.ndim == 4:
        image = image.to(memory_format=torch.channels_last)
    return image.float().div_(255)


def logits_of(network: nn.Module, image: Tensor) -> Tensor:
    """Logits (N, K) in float32 of fractions (N, C, H, W), or their mean over crops (N, T, C, H, W).

    Source: P1's reference code averages the logits of ten crops.
    """
    if image.ndim == 4:
        logits: Tensor = network(image)
        return logits.float()
    flat: Tensor = network(image.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    return flat.float().view(*image.shape[:2], -1).mean(dim=1)


def _normalize_input(network: nn.Module, channels: int) -> None:
    """Let a network take fractions and normalise them by ImageNet's mean and deviation.

    Grey images take the mean of the three colours' values.
    """
    for name, values in (("input_mean", IMAGENET_MEAN), ("input_deviation", IMAGENET_DEVIATION)):
        value = torch.tensor(values)[:, None, None]
        if channels == 1:
            value = value.mean(0, keepdim=True)
        network.register_buffer(name, value, persistent=False)

    def normalize(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x = inputs[0]
        return ((x - module.input_mean) / module.input_deviation, *inputs[1:])

    network.register_forward_pre_hook(normalize)


def cam_layers(network: Any, x: Tensor) -> dict[nn.Module, torch.Size]:
    """The modules whose output maps explain an image by Grad-CAM, and the maps' height and width.

    A classifier's body declares its candidates by `cam_layers()`, the deepest first; the first one
    whose map has more than one position is taken, or none. A detector is explained by all the maps
    that its head reads, one a level: a network of our own declares them by `cam_layers()`, and the
    head of a graph has the numbers of the layers that it reads.

    Args:
        network: of `build_network`, in evaluation mode.
        x: the image, fractions (1, C, H, W).
    """
    is_classifier = hasattr(network, "body")
    if is_classifier:
        layers = network.body.cam_layers()
    elif hasattr(network, "cam_layers"):
        layers = network.cam_layers()
    else:
        layers = [network.model[row] for row in sorted(network.model[-1].f)]
    sizes: dict[nn.Module, torch.Size] = {}

    def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
        del inputs
        sizes[module] = output.shape[2:]

    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    if is_classifier:
        layers = [layer for layer in layers if sizes[layer].numel() > 1][:1]
    return {layer: sizes[layer] for layer in layers}
