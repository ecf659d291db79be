"""What backbones out of other libraries share: their layers in order, and places between them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import ConvUnit
from ferbench.models.build import IMAGENET_DEVIATION, IMAGENET_MEAN

__all__ = ["LibraryBody", "for_imagenet_input", "with_activation"]


class LibraryBody(nn.Module):
    """Layers in order, with attentions behind some of them.

    The layers keep their library's names under `features`, wherever attentions stand, so published
    weights fit.

    Args:
        features: the layers.
        gates: attentions by the index of the layer they stand behind.
        min_px: the smallest image that leaves a map of at least one position.

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

    def cam_layers(self) -> list[nn.Module]:
        """Layers and attentions from the last to the first, without poolings and identities."""
        layers: list[nn.Module] = []
        for index, layer in enumerate(self.features):
            layers.append(layer)
            if str(index) in self.gates:
                layers.append(self.gates[str(index)])
        passing = (nn.MaxPool2d, nn.Identity)
        return [layer for layer in reversed(layers) if not isinstance(layer, passing)]


def with_activation(network: nn.Module, conv: ConvUnit) -> None:
    """Replace every activation of a network by a convolution unit's."""
    if conv.module() is None:
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU | nn.ReLU6 | nn.SiLU | nn.GELU):
                setattr(parent, name, conv.module())


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
    offset = (torch.tensor(IMAGENET_MEAN) - mean) / deviation
    gain = torch.tensor(IMAGENET_DEVIATION) / deviation
    weight = state[f"{conv}.weight"]
    constant = (weight * offset.view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    return {
        **state,
        f"{conv}.weight": weight * gain.view(1, 3, 1, 1),
        f"{norm}.running_mean": state[f"{norm}.running_mean"] - constant,
    }
