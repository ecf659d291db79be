"""The VGG that Improved VGG builds on.

Source: Khaireddin & Chen, "Facial Emotion Recognition: State of the Art Performance on FER2013",
arXiv:2105.03588, section III.B; P1's reference 21 and its row "VGG". Its head is `fc4096` with
dropout 0.2.
Differs: nothing.
"""

from __future__ import annotations

from torch import nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.vgg import VGGStages

__all__ = ["BaseVGG"]


class BaseVGG(VGGStages):
    """Features of an image at a sixteenth of its size.

    Args:
        attention: the part that stands at `location`.
        location: `none`, `stage_end`: after each stage's pooling, or `before_pool`: before it.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.

    Shape:
        (N, channels, H, W) -> (N, 512, H / 16, W / 16)

    Raises:
        InputError: the location is unknown.
    """

    def __init__(self, attention: Attention, location: str, conv: ConvUnit, channels: int) -> None:
        check_location(location, self.LOCATIONS, "vgg_base")
        super().__init__(attention, location, conv, channels, nn.ReLU)
