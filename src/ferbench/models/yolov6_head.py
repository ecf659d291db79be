"""YOLOv6's head, and the anchor-based predictors that stand beside it in training.

Source: Li et al., "YOLOv6", arXiv:2209.02976, section 2.1: Efficient Decoupled Head; "YOLOv6 v3.0",
arXiv:2301.05586, section 2.2: Anchor-Aided Training; anchors, prior and first weights are the
released configurations'.
Differs: raw maps are named as the base library names them, so that its losses read them too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.models.yolov6_blocks import ConvMaker

__all__ = ["EffiDeHead", "corners", "grid"]

STRIDES = (8, 16, 32)
# Width and height in pixels: three a level.
ANCHORS = (
    ((10, 13), (19, 19), (33, 23)),
    ((30, 61), (59, 59), (59, 119)),
    ((116, 90), (185, 185), (373, 326)),
)
_PER_PLACE = 3
_RELEASED_BINS = 17
_PRIOR = 0.01  # of a class at a place, at first


def grid(maps: Sequence[Tensor], strides: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Centres of all places in pixels (A, 2) and their strides (A, 1), level after level."""
    points, spacings = [], []
    for x, stride in zip(maps, strides, strict=True):
        height, width = x.shape[2:]
        # Not of the maps' type: half precision would move the centres.
        row = torch.arange(height, device=x.device, dtype=torch.float32) + 0.5
        column = torch.arange(width, device=x.device, dtype=torch.float32) + 0.5
        y, x_ = torch.meshgrid(row, column, indexing="ij")
        points.append(torch.stack((x_, y), dim=-1).view(-1, 2) * stride)
        spacings.append(torch.full_like(points[-1][:, :1], stride))
    return torch.cat(points), torch.cat(spacings)


def corners(boxes: Tensor, points: Tensor, strides: Tensor, bins: int) -> Tensor:
    """Boxes as x1 y1 x2 y2 in pixels.

    Args:
        boxes: (N, 4 * bins, A), distances to the left, top, right and bottom in strides, each as a
            distribution over 0, 1, ..., bins - 1, or as itself if `bins` is 1.
        points: (A, 2), pixels.
        strides: (A, 1), pixels.
        bins: of one distance.

    Returns:
        (N, A, 4).
    """
    distance = boxes.float()
    if bins > 1:
        value = torch.arange(bins, device=boxes.device, dtype=torch.float32)[:, None]
        prob = distance.view(len(boxes), 4, bins, -1).softmax(dim=2)
        distance = (prob * value).sum(dim=2)
    near, far = (distance.transpose(1, 2) * strides).chunk(2, dim=2)
    return torch.cat((points - near, points + far), dim=2)


class AnchorAid(nn.Module):
    """Three boxes a place, each an anchor moved and stretched, from the features of the head.

    Args:
        classes: K.
        channels: of the three levels.

    Shape:
        features of A places -> scores (N, 3A, K), logits; boxes (N, 3A, 4), x1 y1 x2 y2 in pixels;
        first all places with their first anchor, then with the second and third
    """

    def __init__(self, classes: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.cls = _predictors(channels, _PER_PLACE * classes, -math.log(1 / _PRIOR - 1))
        self.box = _predictors(channels, _PER_PLACE * 4, 1.0)

    def forward(self, cls: list[Tensor], box: list[Tensor]) -> dict[str, Tensor]:
        """Scores and boxes of all anchors."""
        points, strides = grid(box, STRIDES)
        places = torch.tensor([x[0, 0].numel() for x in box], device=points.device)
        anchors = torch.tensor(ANCHORS, device=points.device, dtype=torch.float32)
        anchors = anchors.transpose(0, 1).repeat_interleave(places, dim=1)  # (3, A, 2)
        scores, move = (
            flat.view(len(flat), _PER_PLACE, -1, len(points)).transpose(2, 3)
            for flat in (_flat(self.cls, cls), _flat(self.box, box).float())
        )  # (N, 3, A, K), (N, 3, A, 4)
        centre = points + move[..., :2] * strides
        half = (2 * move[..., 2:].sigmoid()).square() * anchors / 2
        boxes = torch.cat((centre - half, centre + half), dim=-1)
        return {"scores": scores.flatten(1, 2), "boxes": boxes.flatten(1, 2)}


class EffiDeHead(nn.Module):
    """One 3x3 convolution for classes and one for boxes a level.

    Args:
        classes: K.
        channels: of the three levels.
        bins: of a distance; 1 if it is predicted itself.
        activation: makes the activation of a convolution.

    Shape:
        three maps -> in training a dict: `scores` (N, K, A), logits, `boxes` (N, 4 * bins, A),
        `feats`, the maps, and `aided`; in evaluation (decoded (N, 4 + K, A), the dict without
        `aided`), or decoded alone if `export` is set
    """

    export = False

    def __init__(
        self,
        classes: int,
        channels: Sequence[int],
        bins: int,
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        units = ConvMaker(activation, branches=False)
        # The base library's names of K, the bins and the strides.
        self.nc, self.reg_max, self.stride = classes, bins, torch.tensor(STRIDES).float()
        self.stems = nn.ModuleList(units.conv(c, c) for c in channels)
        self.cls_convs = nn.ModuleList(units.conv(c, c, 3) for c in channels)
        self.box_convs = nn.ModuleList(units.conv(c, c, 3) for c in channels)
        self.cls = _predictors(channels, classes, -math.log(1 / _PRIOR - 1))
        self.box = _predictors(channels, 4 * bins, 1.0)
        self.aid: AnchorAid | None = AnchorAid(classes, channels)
        # The released network holds the bins 0 to 16 twice among its parameters, as a vector and as
        # a kernel, in S too, which has no bins. Nothing learns or reads them; they are here for the
        # published counts, under the base library's name of such constants.
        self.dfl = nn.ParameterDict({name: _constant_bins() for name in ("vector", "kernel")})

    def forward(self, maps: list[Tensor]) -> Any:
        """Raw maps, decoded as well in evaluation."""
        stems = [stem(x) for stem, x in zip(self.stems, maps, strict=True)]
        cls = [conv(x) for conv, x in zip(self.cls_convs, stems, strict=True)]
        box = [conv(x) for conv, x in zip(self.box_convs, stems, strict=True)]
        raw: dict[str, Any] = {
            "scores": _flat(self.cls, cls),
            "boxes": _flat(self.box, box),
            "feats": maps,
        }
        if self.training:
            return raw if self.aid is None else {**raw, "aided": self.aid(cls, box)}
        decoded = self._decoded(raw)
        return decoded if self.export else (decoded, raw)

    def _decoded(self, raw: dict[str, Any]) -> Tensor:
        """Centre, size and a score a class: (N, 4 + K, A)."""
        points, strides = grid(raw["feats"], STRIDES)
        first, second = corners(raw["boxes"], points, strides, self.reg_max).chunk(2, dim=2)
        box = torch.cat(((first + second) / 2, second - first), dim=2).transpose(1, 2)
        return torch.cat((box, raw["scores"].float().sigmoid()), dim=1)


def _constant_bins() -> nn.Parameter:
    return nn.Parameter(torch.arange(_RELEASED_BINS).float(), requires_grad=False)


def _predictors(channels: Sequence[int], c_out: int, bias: float) -> nn.ModuleList:
    """A 1x1 convolution a level that predicts `bias` at first, whatever it reads."""
    layers = [nn.Conv2d(c, c_out, 1) for c in channels]
    for layer in layers:
        nn.init.zeros_(layer.weight)
        assert layer.bias is not None
        nn.init.constant_(layer.bias, bias)
    return nn.ModuleList(layers)


def _flat(layers: nn.ModuleList, maps: list[Tensor]) -> Tensor:
    """Predictions of all levels side by side: (N, c_out, A)."""
    return torch.cat([layer(x).flatten(2) for layer, x in zip(layers, maps, strict=True)], dim=2)
