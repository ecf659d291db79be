"""YOLOv6 v3.0 in the sizes S, M and L.

Source: Li et al., "YOLOv6 v3.0: A Full-Scale Reloading", arXiv:2301.05586; P3 trains all three.
Differs: the released L keeps ReLU in the neck's 1x1 and strided convolutions; here it is SiLU
throughout. The place of attention is ours.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from ferbench.models.blocks import Attention, ConvUnit, check_location
from ferbench.models.options import check_option
from ferbench.models.yolov6.network import YOLOv6
from ferbench.models.yolov6.trunk import SIZES, Size

__all__ = ["yolov6"]

LOCATIONS = ("none", "neck")


@dataclass(frozen=True)
class _Plan:
    """The network but for its number of classes."""

    size: Size
    channels: int
    attention: Attention | None
    activation: Callable[[], nn.Module] | None

    def build(self, classes: int) -> nn.Module:
        """The network; its weights are drawn from torch's global generator."""
        return YOLOv6(
            self.size,
            classes,
            self.channels,
            attention=self.attention,
            activation=self.activation,
        )


def yolov6(
    attention: Attention, location: str, conv: ConvUnit, channels: int, *, size: str = "s"
) -> _Plan:
    """The plan of YOLOv6.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `neck`: on the three maps that the head reads.
        conv: the unit whose activation replaces ReLU and SiLU.
        channels: of the image.
        size: `s`, `m` or `l`.

    Raises:
        InputError: the location or the size is unknown.
    """
    check_location(location, LOCATIONS, "yolov6")
    check_option("backbone yolov6", "size", size, SIZES)
    module = conv.module()
    return _Plan(
        SIZES[size],
        channels,
        attention=attention if location == "neck" else None,
        activation=None if module is None else partial(copy.deepcopy, module),
    )
