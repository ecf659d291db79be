"""Improved VGG and the VGG that it builds on: four stages of two 3x3 convolutions.

Sources: P1, "IVSA", section III.A, equation 1 (`vgg_improved`, GELU); Khaireddin & Chen, "Facial
Emotion Recognition: State of the Art Performance on FER2013", arXiv:2105.03588, section III.B,
P1's reference 21 and its row "VGG" (`vgg_base`, ReLU; its head is `fc4096` with dropout 0.2).
Differs: equation 1 prints one convolution a stage, the text and the baseline it builds on two: two.
The text lists the activation before the norm, the equation after it: after.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, attend, check_location, check_option

__all__ = ["vgg_base", "vgg_improved"]

_LOCATIONS = ("none", "stage_end", "before_pool")
_CHANNELS = (64, 128, 256, 512)
_WIDTHS = (0.125, 0.25, 0.5, 0.875, 1.0)


def vgg_improved(
    attention: Attention, location: str, conv: ConvUnit, channels: int, width: float = 1.0
) -> nn.Module:
    """P1's features; the unit's activation replaces GELU. Arguments are those of `VGGStages`.

    Differs: with a `width` below 1 it has fewer channels, a smaller tier of ours.

    Raises:
        InputError: the location or the width is unknown.
    """
    check_location(location, _LOCATIONS, "vgg_improved")
    check_option("backbone vgg_improved", "width", width, _WIDTHS)
    return VGGStages(attention, location, conv, channels, nn.GELU, width=width)


def vgg_base(attention: Attention, location: str, conv: ConvUnit, channels: int) -> nn.Module:
    """The baseline's features; the unit's activation replaces ReLU. Arguments as `VGGStages`.

    Raises:
        InputError: the location is unknown.
    """
    check_location(location, _LOCATIONS, "vgg_base")
    return VGGStages(attention, location, conv, channels, nn.ReLU)


class VGGStages(nn.Module):
    """Four stages of two 3x3 convolutions with norm and activation, each ended by a pooling.

    Args:
        attention: the part that stands at `location`.
        location: `stage_end`: after each stage's pooling; `before_pool`: before it; or `none`.
        conv: the unit whose activation replaces the network's own.
        activation: the network's own.
        width: factor of the stages' channels.

    Shape:
        (N, channels, H, W) -> (N, 512 * width, H / 16, W / 16)
    """

    def __init__(
        self,
        attention: Attention,
        location: str,
        conv: ConvUnit,
        channels: int,
        activation: type[nn.Module],
        *,
        width: float = 1.0,
    ) -> None:
        super().__init__()

        def unit(c_in: int, c_out: int) -> list[nn.Module]:
            # The biases stand before a norm, where they do nothing; the parameter counts have them.
            convolution = nn.Conv2d(c_in, c_out, 3, padding=1)
            return [convolution, nn.BatchNorm2d(c_out), conv.module() or activation()]

        stages: list[nn.Module] = []
        for c_in, c_out in pairwise((channels, *(int(c * width) for c in _CHANNELS))):
            stage = nn.Sequential(*unit(c_in, c_out), *unit(c_out, c_out))
            stages += [stage, nn.MaxPool2d(2)]
            if location != "none":
                place = len(stages) - (location == "before_pool")
                stages.insert(place, attend(attention, c_out, stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """The last stage's map."""
        return self.stages(x)

    def cam_layers(self) -> list[nn.Module]:
        """Attentions and stages from the last to the first."""
        passing = (nn.MaxPool2d, nn.Identity)
        return [layer for layer in reversed(self.stages) if not isinstance(layer, passing)]
