"""Training of a classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ferbench.models.pixels import logits_of
from ferbench.training.modules import RunModule

__all__ = ["ClassifierModule"]


class ClassifierModule(RunModule):
    """Learns from images (N, C, H, W), or ten crops of each (N, 10, C, H, W), and classes (N,).

    Source of the ten crops: P1's reference code makes one batch of all crops of its images.
    """

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of samples of a training batch; ten crops of an image are ten samples."""
        image, target, _ = batch
        if image.ndim == 5:
            target = target.repeat_interleave(image.shape[1])
            image = image.flatten(0, 1)
        return self.loss(logits_of(self.network, self.pixels(image)), target), len(target)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to validation loss and predictions."""
        del batch_idx
        image, target, index = batch
        logits = logits_of(self.network, self.pixels(image))
        self.validated(self.loss(logits, target), logits, index)
