"""The four stages that the VGG of IVSA and the one it builds on have in common."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, attend

__all__ = ["VGGStages"]

_WIDTHS = (64, 128, 256, 512)


class VGGStages(nn.Module):
    """Four stages of two 3x3 convolutions with norm and activation, each ended by a pooling.

    Args:
        attention: the part that stands at `location`.
        location: `stage_end`: after each stage's pooling; `before_pool`: before it; or neither.
        conv: the unit whose activation replaces the network's own.
        channels: of the image.
        activation: the network's own.

    Shape:
        (N, channels, H, W) -> (N, 512, H / 16, W / 16)
    """

    LOCATIONS = ("none", "stage_end", "before_pool")

    def __init__(
        self,
        attention: Attention,
        location: str,
        conv: ConvUnit,
        channels: int,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()

        def unit(c_in: int, c_out: int) -> list[nn.Module]:
            # The biases stand before a norm, where they do nothing; the parameter counts have them.
            convolution = nn.Conv2d(c_in, c_out, 3, padding=1)
            return [convolution, nn.BatchNorm2d(c_out), conv.module() or activation()]

        stages: list[nn.Module] = []
        for c_in, c_out in pairwise((channels, *_WIDTHS)):
            stage = nn.Sequential(*unit(c_in, c_out), *unit(c_out, c_out))
            stages += [stage, nn.MaxPool2d(2)]
            if location != "none":
                place = len(stages) - (location == "before_pool")
                stages.insert(place, attend(attention, c_out, stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """The last stage's map."""
        return self.stages(x)
