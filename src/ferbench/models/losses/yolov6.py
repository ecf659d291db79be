"""YOLOv6's loss: varifocal scores, GIoU, distribution focal distances, with and without anchors.

Source: Li et al., "YOLOv6", arXiv:2209.02976, section 2.3, and "YOLOv6 v3.0", arXiv:2301.05586,
section 2.2; Zhang et al., "VarifocalNet", arXiv:2008.13367, with alpha 0.75 and gamma 2; gains 1.0,
2.5 and 0.5, top 13 places and top 26 anchors of the released code. Weights by class: P3.
Differs: the assigner's overlap, see `ferbench.models.yolov6.assigner`. On a detector of the base
library, whose head has no anchors beside it, the second half of the loss is absent.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ferbench.errors import InputError
from ferbench.models.loss_terms import class_weights, column_factor, normaliser
from ferbench.models.yolov6.assigner import Assigned, Assigner, Faces, faces_of
from ferbench.models.yolov6.head import corners, grid

__all__ = ["YOLOv6Loss"]

_CLS, _IOU, _DFL = 1.0, 2.5, 0.5
_TOP_PLACES, _TOP_ANCHORS = 13, 26
_ALPHA, _GAMMA = 0.75, 2


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
        assigned = _assign(self._places, logits, boxes, points, faces)
        loss = self._scores_and_boxes(logits, boxes, assigned)
        if self._bins > 1:
            loss = loss + _DFL * self._distances(raw["boxes"], points, strides, assigned)
        if "aided" in raw:
            logits, boxes = raw["aided"]["scores"].float(), raw["aided"]["boxes"]
            per_place = logits.shape[1] // len(points)
            assigned = _assign(self._anchors, logits, boxes, points.repeat(per_place, 1), faces)
            loss = loss + self._scores_and_boxes(logits, boxes, assigned)
        return loss

    def _scores_and_boxes(self, logits: Tensor, boxes: Tensor, assigned: Assigned) -> Tensor:
        """Varifocal loss of all scores and GIoU of the boxes that answer for a face."""
        score = varifocal(logits, assigned)
        if self._weights is not None:
            score = score * column_factor(assigned.label, self._weights, "positive")
        quality = assigned.quality.sum(dim=2)  # (N, A)
        # A box that misses its face counts nothing; out it goes, for its overlap may be 0 / 0.
        taken = quality > 0
        loss = 1 - _giou(boxes[taken], assigned.xyxy[taken])
        total = _CLS * score.sum() + _IOU * (loss * quality[taken]).sum()
        return total / normaliser(quality.sum())

    def _distances(
        self, boxes: Tensor, points: Tensor, strides: Tensor, assigned: Assigned
    ) -> Tensor:
        """Distribution focal loss of the distances that answer for a face."""
        from ultralytics.utils.loss import DFLoss

        quality = assigned.quality.sum(dim=2)
        taken = quality > 0
        near, far = assigned.xyxy.chunk(2, dim=2)
        target = torch.cat((points - near, far - points), dim=2) / strides
        said = boxes.float().transpose(1, 2)[taken].view(-1, self._bins)
        loss = DFLoss(self._bins)(said, target[taken]).squeeze(-1)
        return (loss * quality[taken]).sum() / normaliser(quality.sum())


def varifocal(logits: Tensor, assigned: Assigned) -> Tensor:
    """Cross-entropy of each score, by q where a face is and by 0.75 p² elsewhere: (N, A, K)."""
    prob, label, quality = logits.sigmoid(), assigned.label, assigned.quality
    weight = _ALPHA * prob**_GAMMA * (1 - label) + quality * label
    return weight * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def _assign(
    assigner: Assigner, logits: Tensor, boxes: Tensor, points: Tensor, faces: Faces
) -> Assigned:
    return assigner.assign(logits.detach().sigmoid(), boxes.detach(), points, faces)


def _giou(first: Tensor, second: Tensor) -> Tensor:
    """GIoU of boxes side by side: (P, 4), (P, 4) -> (P,)."""
    from ultralytics.utils.metrics import bbox_iou

    return bbox_iou(first, second, xywh=False, GIoU=True).squeeze(-1)
