"""Where a detector predicts, and what its distances mean there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["corners", "grid"]


def grid(maps: Sequence[Tensor], strides: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Centres of all cells in pixels (A, 2) and their strides (A, 1), level after level."""
    points, sides = [], []
    for x, stride in zip(maps, strides, strict=True):
        height, width = x.shape[2:]
        # Not of the maps' type: half precision would move the centres.
        row = torch.arange(height, device=x.device, dtype=torch.float32) + 0.5
        column = torch.arange(width, device=x.device, dtype=torch.float32) + 0.5
        y, x_ = torch.meshgrid(row, column, indexing="ij")
        points.append(torch.stack((x_, y), dim=-1).view(-1, 2) * stride)
        sides.append(torch.full_like(points[-1][:, :1], stride))
    return torch.cat(points), torch.cat(sides)


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
