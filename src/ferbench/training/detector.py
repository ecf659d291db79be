"""Training of a detector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from ferbench.models.boxes import kept_boxes
from ferbench.training.modules import CellModule

__all__ = ["DetectorModule"]

# While training, ten boxes a face are enough to rank checkpoints and far cheaper than 300.
_MAX_BOXES = 20


class DetectorModule(CellModule):
    """Learns from images with boxes; `val_score` is mAP@0.5 by the COCO definition."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.precision_metric = _mean_average_precision()

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of images of a training batch."""
        batch = {**batch, "img": self.pixels(batch["img"])}
        return self.loss(self.network(batch["img"]), batch), len(batch["img"])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch, summed over its images; their mean is what is logged.

        The sum is what YOLO's own training differentiates, also over the batches that are gathered
        to a step: its rates for SGD and its bound on the gradient's norm are meant for it. YOLOv6
        differentiates the mean of each batch; the loss says which.
        """
        gathered = self.trainer.accumulate_grad_batches  # by which Lightning divides
        images = len(batch["img"]) if self.loss.SUM_OVER_IMAGES else 1
        return super().training_step(batch, batch_idx) * images * gathered

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to validation loss and mAP."""
        del batch_idx
        batch = {**batch, "img": self.pixels(batch["img"])}
        decoded, raw = self.network(batch["img"])
        size = len(batch["img"])
        self.log("val_loss", self.loss(raw, batch), batch_size=size, sync_dist=True)
        found = [
            {"boxes": b.xyxy, "scores": b.score, "labels": b.cls}
            for b in kept_boxes(decoded, self.classes, _MAX_BOXES)
        ]
        self.precision_metric.update(found, _truth(batch))

    def on_validation_epoch_end(self) -> None:
        """Log mAP@0.5; 0 where nothing was found."""
        score = self.precision_metric.compute()["map_50"].clamp_min(0)
        self.precision_metric.reset()
        self.log("val_score", score.to(self.device), prog_bar=True)


def _mean_average_precision() -> MeanAveragePrecision:
    metric = MeanAveragePrecision(iou_thresholds=[0.5], backend="faster_coco_eval")
    metric.warn_on_many_detections = False
    return metric


def _truth(batch: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Annotated boxes of each image, in pixels of the input."""
    height, width = batch["img"].shape[2:]
    scale = torch.tensor([width, height, width, height], device=batch["img"].device)
    centre, size = batch["bboxes"][:, :2], batch["bboxes"][:, 2:]
    corners = torch.cat((centre - size / 2, centre + size / 2), dim=1) * scale
    truth = []
    for i in range(len(batch["img"])):
        rows = batch["batch_idx"] == i
        truth.append({"boxes": corners[rows], "labels": batch["cls"][rows, 0].long()})
    return truth
