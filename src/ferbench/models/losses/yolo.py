"""The anchor-free detection loss: class BCE, CIoU and distribution focal loss, task-aligned.

Source: ultralytics' `v8DetectionLoss` (as a library): gains 7.5, 0.5 and 1.5, top 10 anchors a
face.
Differs: divided by the batch size, by which the library multiplies it, so that it can be logged and
compared; training multiplies again.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

__all__ = ["YOLOLoss"]


class YOLOLoss:
    """Sum of the three terms, each with its gain.

    Args:
        network: the detector, on the device it is trained on.
    """

    TASK = "detect"

    def __init__(self, network: nn.Module) -> None:
        from ultralytics.utils.loss import v8DetectionLoss

        network.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)  # type: ignore[assignment]
        self._terms = v8DetectionLoss(network)

    def __call__(self, raw: Any, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a network's raw output and a batch, a scalar.

        Args:
            raw: what the network gives in training, or the second of what it gives in evaluation.
            batch: `img` (B, C, H, W); `batch_idx` (M,), `cls` (M, 1), `bboxes` (M, 4) as cx cy w h
                fractions.
        """
        terms, _ = self._terms(raw, batch)
        return terms.sum() / batch["img"].shape[0]
