"""The size of a body's output, asked of the body itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import Attention, ConvUnit, attend
from ferbench.models.pixels import IMAGENET_DEVIATION, IMAGENET_MEAN
from ferbench.models.weights import hub_file, read_state

__all__ = [
    "LibraryBody",
    "attend_to",
    "conv_block",
    "feature_size",
    "for_imagenet_input",
    "hub_state",
    "layers_before",
    "with_activation",
]


def feature_size(body: nn.Module, input_px: int, channels: int) -> torch.Size:
    """Shape (C, H, W) of the features of one image; the body's state is left as it was."""
    training = body.training
    body.eval()
    with torch.no_grad():
        shape = body(torch.zeros(1, channels, input_px, input_px)).shape[1:]
    body.train(training)
    return shape


# MERGED from ferbench.models.library_body:
# What backbones out of other libraries share: their layers in order, and places between them.


_MEAN, _DEVIATION = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_DEVIATION)


class LibraryBody(nn.Module):
    """Layers in order, with attentions behind some of them.

    The layers keep their library's names under `features`, wherever attentions stand, so published
    weights fit.

    Args:
        features: the layers.
        gates: by the index of the layer they stand behind.
        min_px: the smallest image that does not vanish on the way.

    Shape:
        (N, c_in, H, W) -> (N, C, h, w)
    """

    def __init__(
        self, features: nn.Sequential, gates: Mapping[int, nn.Module], min_px: int = 1
    ) -> None:
        super().__init__()
        self.features = features
        self.gates = nn.ModuleDict({str(index): gate for index, gate in gates.items()})
        self.min_px = min_px

    def forward(self, x: Tensor) -> Tensor:
        """The last map.

        Raises:
            InputError: the image is too small for this network.
        """
        if min(x.shape[-2:]) < self.min_px:
            raise InputError(
                f"an image of {min(x.shape[-2:])} px vanishes on its way through this backbone",
                where="params.yaml: recipes: input_px",
                remedy=f"take {self.min_px} or more",
            )
        for index, layer in enumerate(self.features):
            x = layer(x)
            if str(index) in self.gates:
                x = self.gates[str(index)](x)
        return x


def layers_before(library: nn.Module, end: str) -> nn.Sequential:
    """The layers of a network up to the one called `end`, which is left out with all behind it."""
    names = [name for name, _ in library.named_children()]
    return nn.Sequential(OrderedDict(list(library.named_children())[: names.index(end)]))


def attend_to(attention: Attention, channels: int, stage: nn.Module) -> nn.Module:
    """An attention behind a stage that may end without a norm, or with several side by side."""
    norms = [m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)]
    if norms and norms[-1].num_features == channels:
        return attend(attention, channels, stage)
    return attention(channels)


def with_activation(network: nn.Module, conv: ConvUnit) -> None:
    """Put a convolution unit's activation in the place of every one that a network has."""
    if conv.module() is None:
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU | nn.ReLU6 | nn.SiLU | nn.GELU):
                setattr(parent, name, conv.module())


def conv_block(conv: ConvUnit) -> Callable[..., nn.Module]:
    """What torchvision's Inception networks call to make a convolution with norm and activation.

    The library's own calls the activation as a function, which no unit could take the place of.
    """
    return partial(_conv_norm_act, conv)


def _conv_norm_act(conv: ConvUnit, c_in: int, c_out: int, **kwargs: Any) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(c_in, c_out, bias=False, **kwargs),
            bn=nn.BatchNorm2d(c_out, eps=0.001),
            act=conv.module() or nn.ReLU(inplace=True),
        )
    )


def hub_state(url: str, prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Published weights under our names; a tensor whose beginning is not listed is left out.

    Args:
        url: of the file.
        prefixes: beginning of a name there, and what stands for it here.

    Raises:
        InputError: the file is not at hand.
    """
    return {
        ours + name.removeprefix(theirs): value
        for name, value in read_state(hub_file(url)).items()
        for theirs, ours in prefixes.items()
        if name.startswith(theirs)
    }


def for_imagenet_input(
    state: Mapping[str, Tensor], conv: str, norm: str, scale: tuple[float, float] = (0.5, 0.5)
) -> dict[str, Tensor]:
    """Weights that were trained on (x - mean) / deviation, for images normalised as ImageNet's.

    With z the image normalised by ImageNet's mean m and deviation s, the first convolution W must
    see a z + b, a = s / deviation, b = (m - mean) / deviation. W(a z + b) = (W a) z + Σ W b; the
    norm behind it takes the constant. Exact but for zero padding, which stands for another grey.

    Args:
        state: the weights.
        conv: name of the first convolution, which has no bias.
        norm: name of the norm behind it.
        scale: mean and deviation of the images they were trained on, fractions.
    """
    mean, deviation = scale
    weight = state[f"{conv}.weight"]
    constant = (weight * ((_MEAN - mean) / deviation).view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    return {
        **state,
        f"{conv}.weight": weight * (_DEVIATION / deviation).view(1, 3, 1, 1),
        f"{norm}.running_mean": state[f"{norm}.running_mean"] - constant,
    }
