"""YOLOv6 v3.0 as a whole: as it is trained, and merged for use.

Source: Li et al., "YOLOv6 v3.0: A Full-Scale Reloading", arXiv:2301.05586.
Differs: an attention may stand on the three maps between neck and head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ferbench.models.blocks import Attention, attend
from ferbench.models.yolov6.blocks import ConvNorm, ConvUnits, RepVGG
from ferbench.models.yolov6.head import EffiDeHead
from ferbench.models.yolov6.trunk import Backbone, Neck, Size

__all__ = ["YOLOv6"]

# As the base library and the released code set it.
_NORM_EPS = 1e-3


class _Gates(nn.ModuleList):
    """An attention for each map, or none at all."""

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The maps, each through its attention."""
        return [gate(x) for gate, x in zip(self, maps, strict=True)] if len(self) else maps


class YOLOv6(nn.Module):
    """A detector; `model` holds backbone, neck, attentions and head, the head last.

    Args:
        size: of the network.
        classes: K.
        channels: of the image.
        attention: on the maps that the head reads, or None.
        activation: makes that of every convolution, or None for the size's own.

    Shape:
        (N, channels, H, W), multiples of 32 -> in training a dict of raw maps; in evaluation
        (decoded (N, 4 + K, A), raw)
    """

    def __init__(
        self,
        size: Size,
        classes: int,
        channels: int,
        *,
        attention: Attention | None = None,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        units = ConvUnits(activation or size.activation, size.branches)
        neck = Neck(size, units)
        gates = _Gates()
        if attention is not None:
            behind = zip(neck.channels, neck.last_stages, strict=True)
            gates.extend(attend(attention, c, stage) for c, stage in behind)
        head = EffiDeHead(classes, neck.channels, size.bins, activation or nn.SiLU)
        self.model = nn.Sequential(Backbone(channels, size, units), neck, gates, head)
        self.stride = head.stride
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = _NORM_EPS

    def forward(self, x: Tensor) -> Any:
        """Raw maps, decoded as well in evaluation."""
        return self.model(x)

    def fuse(self, verbose: bool = True) -> YOLOv6:
        """Itself as it is served: branches merged, norms folded, anchors gone.

        Args:
            verbose: not used; the base library's networks have it.
        """
        del verbose
        self.eval()
        head = self.model[-1]
        assert isinstance(head, EffiDeHead)
        head.aid = None
        for module in list(self.modules()):
            if isinstance(module, RepVGG):
                module.merge()
            elif isinstance(module, ConvNorm):
                module.fold()
        return self
