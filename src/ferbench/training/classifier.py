"""Training of a classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from ferbench.models.pixels import logits_of
from ferbench.training.modules import CellModule

__all__ = ["ClassifierModule"]


class ClassifierModule(CellModule):
    """Learns from (images, classes, indices); `val_score` is accuracy."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accuracy = MulticlassAccuracy(self.classes, average="micro")

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of images of a training batch."""
        image, target, _ = batch
        return self.loss(logits_of(self.network, self.pixels(image)), target), len(target)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to validation loss and accuracy."""
        del batch_idx
        image, target, _ = batch
        logits = logits_of(self.network, self.pixels(image))
        self.accuracy(logits, target)
        size = len(target)
        self.log("val_loss", self.loss(logits, target), batch_size=size, sync_dist=True)
        self.log("val_score", self.accuracy, batch_size=size, prog_bar=True)
