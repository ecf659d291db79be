"""What a training is given and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ferbench.data.dataset import FaceTable
from ferbench.errors import InputError
from ferbench.evaluation.predict import Predicted
from ferbench.evaluation.scoring import Predictions, higher_is_better, score_predictions

__all__ = ["Fitted", "SelectionMetric", "TrainingData"]


@dataclass(frozen=True)
class SelectionMetric:
    """The number on val that picks a run's checkpoint.

    Args:
        metric: a file of `ferbench.evaluation.metrics`.
        threshold: least score of a detector's box that counts as a prediction.
    """

    metric: str
    threshold: float

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return higher_is_better(self.metric)

    def value(self, read: Predicted, *, detects: bool) -> float:
        """The metric of what a network predicts on val.

        Raises:
            InputError: the metric is for detectors, and this is a classifier.
        """
        threshold = self.threshold if detects else None
        values = score_predictions(
            Predictions(read.predictions, read.boxes, threshold), [self.metric]
        )
        if self.metric not in values:
            raise InputError(
                f"a classifier has no {self.metric}",
                where="params.yaml: train: select: classify",
                remedy="select classifiers by a metric of probabilities, such as accuracy",
            )
        return values[self.metric]


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and what its checkpoint is selected on.

    Args:
        pack: folder of packed images.
        train: labelled faces to learn from.
        val: labelled faces to select on.
        rule: of selection.
    """

    pack: Path
    train: FaceTable
    val: FaceTable
    rule: SelectionMetric = SelectionMetric("accuracy", 0.5)


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training.

    Args:
        state: weights of the best epoch, averaged if the recipe averages.
        history: one row an epoch.
        best_epoch: counted from 0.
        val_score: the selection metric of the best epoch, on val.
        val_loss: of the best epoch.
        seconds: of all epochs, those before a kill included.
        parameters: number of them.
        precision: Lightning's word.
        devices: number of devices that shared each batch, and their kind, such as `1 cpu`.
        resumed: whether a killed run was gone on with.
        initial: which weights it began with and how many tensors fitted; empty for none.
    """

    state: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    best_epoch: int
    val_score: float
    val_loss: float
    seconds: float
    parameters: int
    precision: str
    devices: str
    resumed: bool
    initial: dict[str, Any]
