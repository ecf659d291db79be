"""Training of a detector."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ferbench.training.modules import RunModule

__all__ = ["DetectorModule"]


class DetectorModule(RunModule):
    """Learns from images with boxes."""

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of images of a training batch."""
        batch = {**batch, "img": self.pixels(batch["img"])}
        return self.loss(self.network(batch["img"]), batch), len(batch["img"])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch, summed over the images of a step; their mean is what is logged.

        The sum is what the YOLO trainers differentiate, over the batches that are accumulated and
        over all processes: their rates for SGD and their bound on the gradient's norm are meant for
        it. YOLOv6 differentiates the mean of each batch; the loss says which.
        """
        accumulated = self.trainer.accumulate_grad_batches  # by which Lightning divides
        # Lightning takes the mean over processes; the sum over their images is wanted.
        images = len(batch["img"]) * self.trainer.world_size if self.loss.SUM_OVER_IMAGES else 1
        return super().training_step(batch, batch_idx) * images * accumulated

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to validation loss and predictions."""
        del batch_idx
        batch = {**batch, "img": self.pixels(batch["img"])}
        decoded, raw = self.network(batch["img"])
        self.validated(self.loss(raw, batch), decoded, batch["index"])
