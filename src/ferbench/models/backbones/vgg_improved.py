"""Improved VGG.

Source: P1, "IVSA", section III.A, equation 1: four stages of two 3x3 convolutions with BatchNorm
and GELU.
Differs: equation 1 prints one convolution a stage, the text and the baseline it builds on two: two.
The text lists the activation before the norm, the equation after it: after.
"""

from __future__ import annotations

from torch import nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.vgg import VGGStages

__all__ = ["ImprovedVGG"]


class ImprovedVGG(VGGStages):
    """Features of an image at a sixteenth of its size.

    Args:
        attention: the part that stands at `location`.
        location: `none`, `stage_end`: after each stage's pooling, or `before_pool`: before it.
        conv: the unit whose activation replaces GELU.
        channels: of the image.

    Shape:
        (N, channels, H, W) -> (N, 512, H / 16, W / 16)

    Raises:
        InputError: the location is unknown.
    """

    def __init__(self, attention: Attention, location: str, conv: ConvUnit, channels: int) -> None:
        check_location(location, self.LOCATIONS, "vgg_improved")
        super().__init__(attention, location, conv, channels, nn.GELU)
