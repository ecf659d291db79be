"""YOLOv6's loss: varifocal scores, GIoU, distribution focal distances, with and without anchors.

Source: Li et al., "YOLOv6", arXiv:2209.02976, section 2.3, and "YOLOv6 v3.0", arXiv:2301.05586,
section 2.2; Zhang et al., "VarifocalNet", arXiv:2008.13367, with alpha 0.75 and gamma 2; gains 1.0,
2.5 and 0.5, top 13 places and top 26 anchors of the released code. Weights by class: P3. Which
predictions are assigned to which face: Feng et al., "TOOD", ICCV 2021, arXiv:2108.07755, section
3.2; YOLOv6 takes it with t = s · u^6, s the score of the face's class and u the overlap. The search
is ultralytics'.
Differs: u is IoU, as in YOLOv6's released code; the base library's is CIoU. A face counts as at
least 16 pixels wide and high where places inside it are looked for, as the library has it. Both add
1e-9 to the largest t that they divide by, which hides a face ten times as wide as the boxes of a
fresh network (t = 0.01 · 0.01^6); here nothing noticeable is added. On a detector of the base
library, whose head has no anchors beside it, the second half of the loss is absent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from ultralytics.utils.loss import DFLoss
from ultralytics.utils.metrics import bbox_iou
from ultralytics.utils.tal import TaskAlignedAssigner

from ferbench.errors import InputError
from ferbench.models.loss_terms import class_weights, column_factor, normaliser
from ferbench.models.yolov6_head import corners, grid

__all__ = ["YOLOv6Loss"]

_CLS, _IOU, _DFL = 1.0, 2.5, 0.5
_TOP_PLACES, _TOP_ANCHORS = 13, 26
_ALPHA, _GAMMA = 0.75, 2
# Only against 0 / 0; t of a box that overlaps its face by a thousandth is 1e-20.
_EPS = 1e-30


class YOLOv6Loss:
    """Sum of the terms of the head and of the anchors beside it, each with its gain.

    Every term is divided by the sum of assigned scores, at least 1, so that it is a mean over
    images whatever their number.

    Args:
        network: the detector, on the device it is trained on.
        counts: number of training faces of each class (K,), or None if classes are not weighed.
        class_weight: `none`, `inv_freq` N / (K N_c), `raw` N / N_c, or `mean1`: the factor of the
            score that a face's own class gets.

    Raises:
        InputError: the kind of weight is unknown, weights need counts and there are none, or the
            head has a one-to-one branch.
    """

    TASK = "detect"
    SUM_OVER_IMAGES = False  # as v3.0's own training, whose rates are meant for the mean

    def __init__(
        self, network: Any, counts: Tensor | None = None, *, class_weight: str = "none"
    ) -> None:
        head = network.model[-1]
        if hasattr(head, "one2one_cv2"):
            raise InputError(
                "loss yolov6 knows no one-to-one branch, and this backbone's head has one",
                where="params.yaml: variants",
                remedy="take loss yolo",
            )
        self._bins = int(head.reg_max)
        self._strides = head.stride.tolist()
        self._weights = class_weights(counts, class_weight)
        self._places = Assigner(_TOP_PLACES, head.nc, self._strides)
        self._anchors = Assigner(_TOP_ANCHORS, head.nc, self._strides)

    def __call__(self, raw: dict[str, Any], batch: dict[str, Tensor]) -> Tensor:
        """The loss of a network's raw output and a batch, a scalar.

        Args:
            raw: what the network gives in training, or the second of what it gives in evaluation.
            batch: `img` (B, C, H, W); `batch_idx` (M,), `cls` (M, 1), `bboxes` (M, 4) as cx cy w h
                fractions.
        """
        faces = faces_of(batch)
        points, strides = grid(raw["feats"], self._strides)
        boxes = corners(raw["boxes"], points, strides, self._bins)
        logits = raw["scores"].float().transpose(1, 2)
        prob = logits.detach().sigmoid()
        assigned = self._places.assign(prob, boxes.detach(), points, faces)
        loss = self._scores_and_boxes(logits, boxes, assigned)
        if self._bins > 1:
            loss = loss + _DFL * self._distances(raw["boxes"], points, strides, assigned)
        if "aided" in raw:
            logits, boxes = raw["aided"]["scores"].float(), raw["aided"]["boxes"]
            per_place = logits.shape[1] // len(points)
            points, prob = points.repeat(per_place, 1), logits.detach().sigmoid()
            assigned = self._anchors.assign(prob, boxes.detach(), points, faces)
            loss = loss + self._scores_and_boxes(logits, boxes, assigned)
        return loss

    def _scores_and_boxes(self, logits: Tensor, boxes: Tensor, assigned: Assigned) -> Tensor:
        """Varifocal loss of all scores and GIoU of the boxes that are assigned to a face."""
        score = varifocal(logits, assigned)
        if self._weights is not None:
            score = score * column_factor(assigned.label, self._weights, "positive")
        quality = assigned.quality.sum(dim=2)  # (N, A)
        # A box that misses its face counts nothing and is left out: its overlap may be 0 / 0.
        taken = quality > 0
        giou = bbox_iou(boxes[taken], assigned.xyxy[taken], xywh=False, GIoU=True)
        loss = 1 - giou.squeeze(-1)
        total = _CLS * score.sum() + _IOU * (loss * quality[taken]).sum()
        return total / normaliser(quality.sum())

    def _distances(
        self, boxes: Tensor, points: Tensor, strides: Tensor, assigned: Assigned
    ) -> Tensor:
        """Distribution focal loss of the distances of boxes that are assigned to a face."""
        quality = assigned.quality.sum(dim=2)
        taken = quality > 0
        near, far = assigned.xyxy.chunk(2, dim=2)
        target = torch.cat((points - near, far - points), dim=2) / strides
        predicted = boxes.float().transpose(1, 2)[taken].view(-1, self._bins)
        loss = DFLoss(self._bins)(predicted, target[taken]).squeeze(-1)
        return (loss * quality[taken]).sum() / normaliser(quality.sum())


def varifocal(logits: Tensor, assigned: Assigned) -> Tensor:
    """Cross-entropy of each score, by q where a face is and by 0.75 p² elsewhere: (N, A, K)."""
    prob, label, quality = logits.sigmoid(), assigned.label, assigned.quality
    weight = _ALPHA * prob**_GAMMA * (1 - label) + quality * label
    return weight * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


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
    """The targets of the A predictions of each image.

    Args:
        quality: (N, A, K), the score q; 0 but for the class of the assigned face.
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
        """Plain IoU of paired boxes; the library calls it by this name."""
        return bbox_iou(gt_bboxes, pd_bboxes, xywh=False).squeeze(-1).clamp_(0)

    def assign(self, prob: Tensor, xyxy: Tensor, points: Tensor, faces: Faces) -> Assigned:
        """The target of each prediction.

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
