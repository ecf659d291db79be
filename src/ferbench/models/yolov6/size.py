"""What the sizes of YOLOv6 v3.0 differ in.

Source: Li et al., "YOLOv6 v3.0", arXiv:2301.05586, and its released configurations.
Differs: the released L keeps ReLU in the neck's 1x1 and strided convolutions; here it is SiLU
throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from ferbench.models.yolov6.convs import Units
from ferbench.models.yolov6.pooling import SPPF, SimCSPSPPF
from ferbench.models.yolov6.stages import BepC3, RepBlock

__all__ = ["SIZES", "Size"]


@dataclass(frozen=True)
class Size:
    """One size.

    Args:
        width: factor of channels.
        depth: factor of repeats.
        squeeze: of `BepC3`; None for stages of `RepBlock`.
        branches: whether 3x3 blocks are RepVGG.
        pool: at the end of the backbone.
        activation: of backbone and neck.
        bins: of a distance's distribution; 1 if the distance itself is predicted.
    """

    width: float
    depth: float
    squeeze: float | None
    branches: bool
    pool: type[SPPF | SimCSPSPPF]
    activation: type[nn.Module]
    bins: int

    def channels(self, base: int) -> int:
        """Channels at this width, a multiple of 8."""
        return 8 * math.ceil(base * self.width / 8)

    def stage(self, c_in: int, c_out: int, repeats: int, units: Units) -> nn.Module:
        """A stage of this size; `repeats` are those of depth 1."""
        repeats = max(round(repeats * self.depth), 1)
        if self.squeeze is None:
            return RepBlock(c_in, c_out, repeats, units)
        return BepC3(c_in, c_out, repeats, units, squeeze=self.squeeze)


SIZES = {
    "s": Size(0.50, 0.33, None, branches=True, pool=SimCSPSPPF, activation=nn.ReLU, bins=1),
    "m": Size(0.75, 0.60, 2 / 3, branches=True, pool=SPPF, activation=nn.ReLU, bins=17),
    "l": Size(1.0, 1.0, 1 / 2, branches=False, pool=SPPF, activation=nn.SiLU, bins=17),
}
