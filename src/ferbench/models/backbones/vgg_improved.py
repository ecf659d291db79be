"""Improved VGG.

Source: P1, "IVSA", section III.A, equation 1: four stages of two 3x3 convolutions with BatchNorm
and GELU.
Differs: equation 1 prints one convolution a stage, the text and the baseline it builds on two: two.
The text lists the activation before the norm, the equation after it: after.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, attend, check_location

__all__ = ["ImprovedVGG"]

_STAGES = (64, 128, 256, 512)


class ImprovedVGG(nn.Module):
    """Features of an image at a sixteenth of its size.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `stage_end`: after each stage's pooling.
        conv: the unit whose activation replaces GELU.
        channels: of the image.

    Shape:
        (N, channels, H, W) -> (N, 512, H / 16, W / 16)

    Raises:
        InputError: the location is unknown.
    """

    LOCATIONS = ("none", "stage_end")

    def __init__(self, attention: Attention, location: str, conv: ConvUnit, channels: int) -> None:
        super().__init__()
        check_location(location, self.LOCATIONS, "vgg_improved")
        widths = (channels, *_STAGES)
        stages: list[nn.Module] = []
        for c_in, c_out in pairwise(widths):
            stage = nn.Sequential(*_unit(c_in, c_out, conv), *_unit(c_out, c_out, conv))
            stages += [stage, nn.MaxPool2d(2)]
            if location == "stage_end":
                stages.append(attend(attention, c_out, stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """The last stage's map."""
        return self.stages(x)


def _unit(c_in: int, c_out: int, conv: ConvUnit) -> list[nn.Module]:
    # The biases stand before a norm, where they do nothing; the paper's parameter count has them.
    return [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), conv.module() or nn.GELU()]
