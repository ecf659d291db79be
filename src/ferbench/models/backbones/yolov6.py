"""YOLOv6 v3.0 in the sizes S, M and L.

Source: Li et al., "YOLOv6 v3.0: A Full-Scale Reloading", arXiv:2301.05586, section 2.1 and figure
2 (EfficientRep or CSPBep, and the bi-directional neck that also reads P2), and its released
configurations; P3 trains all three sizes. Half of the channels of S are the released N.
Differs: the released L keeps ReLU in the neck's 1x1 and strided convolutions; here it is SiLU
throughout. The place of attention, on the maps between neck and head, is ours.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit, attend, check_location, check_option
from ferbench.models.yolov6_blocks import (
    SPPF,
    BepC3,
    ConvMaker,
    ConvNorm,
    RepBlock,
    RepVGG,
    SimCSPSPPF,
)
from ferbench.models.yolov6_head import EffiDeHead

__all__ = ["yolov6"]

# As the base library and the released code set it.
_NORM_EPS = 1e-3
WIDTHS = (0.5, 1.0)
# Channels and repeats at width and depth 1.
STEM = 64
STAGES = ((128, 6), (256, 12), (512, 18), (1024, 6))
NECK = {"p4": 256, "p3": 128, "d2": 128, "n3": 256, "d1": 256, "n4": 512}
NECK_REPEATS = 12


def yolov6(
    attention: Attention,
    location: str,
    conv: ConvUnit,
    channels: int,
    *,
    size: str = "s",
    width: float = 1.0,
) -> _Plan:
    """The plan of YOLOv6.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `neck`: on the three maps that the head reads.
        conv: the unit whose activation replaces ReLU and SiLU.
        channels: of the image.
        size: `s`, `m` or `l`.
        width: factor of the size's channels, 0.5 or 1.

    Raises:
        InputError: the location, the size or the width is unknown.
    """
    check_location(location, ("none", "neck"), "yolov6")
    check_option("backbone yolov6", "size", size, SIZES)
    check_option("backbone yolov6", "width", width, WIDTHS)
    module = conv.module()
    return _Plan(
        replace(SIZES[size], width=width * SIZES[size].width),
        channels,
        attention=attention if location == "neck" else None,
        activation=None if module is None else partial(copy.deepcopy, module),
    )


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

    def stage(self, c_in: int, c_out: int, repeats: int, units: ConvMaker) -> nn.Module:
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


class YOLOv6(nn.Module):
    """A detector; `model` holds backbone, neck, attentions and head, the head last.

    Args:
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
        units = ConvMaker(activation or size.activation, size.branches)
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

    def cam_layers(self) -> list[nn.Module]:
        """What the maps that the head reads come from."""
        _, neck, gates, _ = self.model
        return list(cast(_Gates, gates)) or list(cast(Neck, neck).last_stages)

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


class _Gates(nn.ModuleList):
    """An attention for each map, or none at all."""

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The maps, each through its attention."""
        return [gate(x) for gate, x in zip(self, maps, strict=True)] if len(self) else maps


class Backbone(nn.Module):
    """Five halvings of the image.

    Shape:
        (N, channels, H, W) -> the maps P2, P3, P4, P5 at strides 4, 8, 16, 32
    """

    def __init__(self, channels: int, size: Size, units: ConvMaker) -> None:
        super().__init__()
        width = size.channels(STEM)
        self.stem = units.block(channels, width, 2)
        self.stages = nn.ModuleList()
        for base, repeats in STAGES:
            wider = size.channels(base)
            self.stages.append(
                nn.Sequential(
                    units.block(width, wider, 2), size.stage(wider, wider, repeats, units)
                )
            )
            width = wider
        cast(nn.Sequential, self.stages[-1]).append(size.pool(width, units))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The maps of the four stages."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class BiFusion(nn.Module):
    """A deeper, an equal and a shallower map on the equal one's grid.

    Args:
        equal: channels of the map of the same size.
        shallow: channels of the map of twice the size.
        c_out: channels given, and of the deeper map.

    Shape:
        (N, c_out, H / 2, W / 2), (N, equal, H, W), (N, shallow, 2H, 2W) -> (N, c_out, H, W)
    """

    def __init__(self, equal: int, shallow: int, c_out: int, units: ConvMaker) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(c_out, c_out, 2, 2)
        self.same = units.conv(equal, c_out)
        self.down = nn.Sequential(units.conv(shallow, c_out), units.conv(c_out, c_out, 3, 2))
        self.join = units.conv(3 * c_out, c_out)

    def forward(self, deep: Tensor, equal: Tensor, shallow: Tensor) -> Tensor:
        """Join the three."""
        return self.join(torch.cat((self.up(deep), self.same(equal), self.down(shallow)), dim=1))


class Neck(nn.Module):
    """Down from P5 to P3, each step with the map above and below it, and up again.

    Shape:
        P2, P3, P4, P5 -> three maps at strides 8, 16, 32 with `self.channels` channels
    """

    def __init__(self, size: Size, units: ConvMaker) -> None:
        super().__init__()
        c2, c3, c4, c5 = (size.channels(base) for base, _ in STAGES)
        c = {name: size.channels(base) for name, base in NECK.items()}
        self.channels = (c["p3"], c["n3"], c["n4"])
        self.reduce5 = units.conv(c5, c["p4"])
        self.fuse4 = BiFusion(c4, c3, c["p4"], units)
        self.rep_p4 = size.stage(c["p4"], c["p4"], NECK_REPEATS, units)
        self.reduce4 = units.conv(c["p4"], c["p3"])
        self.fuse3 = BiFusion(c3, c2, c["p3"], units)
        self.rep_p3 = size.stage(c["p3"], c["p3"], NECK_REPEATS, units)
        self.down2 = units.conv(c["p3"], c["d2"], 3, 2)
        self.rep_n3 = size.stage(c["d2"] + c["p3"], c["n3"], NECK_REPEATS, units)
        self.down1 = units.conv(c["n3"], c["d1"], 3, 2)
        self.rep_n4 = size.stage(c["d1"] + c["p4"], c["n4"], NECK_REPEATS, units)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The three maps that the head reads."""
        p2, p3, p4, p5 = maps
        f5 = self.reduce5(p5)
        f4 = self.reduce4(self.rep_p4(self.fuse4(f5, p4, p3)))
        o3 = self.rep_p3(self.fuse3(f4, p3, p2))
        o4 = self.rep_n3(torch.cat((self.down2(o3), f4), dim=1))
        o5 = self.rep_n4(torch.cat((self.down1(o4), f5), dim=1))
        return [o3, o4, o5]

    @property
    def last_stages(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """The stages that the three maps come from."""
        return self.rep_p3, self.rep_n3, self.rep_n4
