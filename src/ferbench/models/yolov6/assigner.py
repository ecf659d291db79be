"""Which predictions answer for which face, and how well each is to score.

Source: Feng et al., "TOOD", ICCV 2021, arXiv:2108.07755, section 3.2; YOLOv6 takes it with
t = s · u^6, s the score of the face's class and u the overlap. The search is ultralytics'.
Differs: u is IoU, as in YOLOv6's released code; the base library's is CIoU. A face counts as at
least 16 pixels wide and high where places inside it are looked for, as the library has it. Both add
1e-9 to the largest t that they divide by, which hides a face ten times as wide as the boxes of a
fresh network (t = 0.01 · 0.01^6); here nothing noticeable is added.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from ultralytics.utils.metrics import bbox_iou
from ultralytics.utils.tal import TaskAlignedAssigner

__all__ = ["Assigned", "Assigner", "Faces", "faces_of"]

# Only against 0 / 0; t of a box that overlaps its face by a thousandth is 1e-20.
_EPS = 1e-30


class Faces(NamedTuple):
    """The faces of a batch, M at most in an image.

    Args:
        label: (N, M, 1), class index.
        xyxy: (N, M, 4), pixels.
        there: (N, M, 1), 1 for a face and 0 for padding.
    """

    label: Tensor
    xyxy: Tensor
    there: Tensor


class Assigned(NamedTuple):
    """What A predictions of each image are to be.

    Args:
        quality: (N, A, K), the score q; 0 but for the class of the face answered for.
        label: (N, A, K), 1 for that class and 0 elsewhere.
        xyxy: (N, A, 4), the face in pixels.
    """

    quality: Tensor
    label: Tensor
    xyxy: Tensor


class Assigner(TaskAlignedAssigner):
    """The `top` predictions with the largest t whose place is inside a face.

    Args:
        top: predictions a face.
        classes: K.
        strides: of the levels, in pixels.
    """

    def __init__(self, top: int, classes: int, strides: list[float]) -> None:
        super().__init__(top, classes, alpha=1.0, beta=6.0, stride=strides, eps=_EPS)

    def iou_calculation(self, gt_bboxes: Tensor, pd_bboxes: Tensor) -> Tensor:
        """Plain IoU of boxes side by side; the library asks for it by this name."""
        return bbox_iou(gt_bboxes, pd_bboxes, xywh=False).squeeze(-1).clamp_(0)

    def assign(self, prob: Tensor, xyxy: Tensor, points: Tensor, faces: Faces) -> Assigned:
        """What each prediction is to be.

        Args:
            prob: (N, A, K), scores in 0 to 1.
            xyxy: (N, A, 4), boxes in pixels.
            points: (A, 2), places in pixels.
            faces: of the batch.
        """
        label, box, quality, taken, _ = self(prob, xyxy, points, *faces)
        one_hot = F.one_hot(label.long(), self.num_classes + 1)[..., : self.num_classes]
        return Assigned(quality.float(), one_hot * taken[..., None], box)


def faces_of(batch: dict[str, Tensor]) -> Faces:
    """The faces of a batch, image by image."""
    images, (height, width) = len(batch["img"]), batch["img"].shape[2:]
    centre, size = batch["bboxes"].float().chunk(2, dim=1)
    scale = centre.new_tensor([width, height, width, height])
    corners = torch.cat((centre - size / 2, centre + size / 2), dim=1) * scale
    rows = [batch["batch_idx"].view(-1) == i for i in range(images)]
    label = pad_sequence([batch["cls"].view(-1, 1)[row] for row in rows], batch_first=True)
    xyxy = pad_sequence([corners[row] for row in rows], batch_first=True)
    there = pad_sequence([corners.new_ones(int(row.sum()), 1) for row in rows], batch_first=True)
    return Faces(label, xyxy, there)
