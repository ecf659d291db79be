"""What a training is given and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ferbench.data.units import Units

__all__ = ["Fitted", "Sides"]


@dataclass(frozen=True)
class Sides:
    """What a cell learns from and what it is selected on.

    Args:
        pack: folder of packed images.
        train: labelled faces to learn from.
        val: labelled faces to select on.
    """

    pack: Path
    train: Units
    val: Units


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training.

    Args:
        state: weights of the best epoch, averaged if the recipe averages.
        history: one row an epoch.
        best_epoch: counted from 0.
        val_score: of the best epoch.
        seconds: of all epochs, those before a kill included.
        parameters: number of them.
        precision: Lightning's word.
        resumed: whether a killed run was gone on with.
        initial: which weights it began with and how many tensors fitted; empty for none.
    """

    state: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    best_epoch: int
    val_score: float
    seconds: float
    parameters: int
    precision: str
    resumed: bool
    initial: dict[str, Any]
