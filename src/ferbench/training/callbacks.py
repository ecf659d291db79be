"""What happens around an epoch: moving average, history, selection, checkpoints, early stopping."""

from __future__ import annotations

import math
import os
import shutil
import time
import warnings
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ferbench.config.params import Recipe
from ferbench.errors import DAMAGED, InputError
from ferbench.evaluation.selection import Candidate, best_index, improvement
from ferbench.files import whole_file

__all__ = [
    "BEST",
    "LAST",
    "History",
    "RampedAverage",
    "Selection",
    "WholeCheckpoints",
    "resume_point",
    "run_callbacks",
    "train_classifier_alone",
]

BEST = "best.ckpt"
LAST = "last.ckpt"


class _Average(AveragedModel):
    """`AveragedModel` of parameters and buffers, which lists them once instead of every step.

    It moves to the model's device at the first step: Lightning creates it before it moves the
    model to a GPU. The lists hold as long as the model stays there, as it does in training.
    """

    def __init__(
        self, model: nn.Module, average: Callable[[list[Tensor], list[Tensor], int], None]
    ) -> None:
        super().__init__(model, use_buffers=True)
        self._average = average
        self._steps: int | None = None  # of `n_averaged`, which a checkpoint restores
        self._lists: list[tuple[list[Tensor], list[Tensor]]] = []  # one pair for each data type

    def update_parameters(self, model: nn.Module) -> None:
        """Move every tensor towards the model's; the first time, copy them."""
        if self._steps is None:
            self._steps = int(self.n_averaged)
            self.to(next(model.parameters()).device)
            self._lists = _by_type(self.module, model)
        for averaged, current in self._lists:
            if self._steps == 0 or not averaged[0].is_floating_point():  # counters of batches
                torch._foreach_copy_(averaged, current)
            else:
                self._average(averaged, current, self._steps)
        self._steps += 1
        self.n_averaged.fill_(self._steps)


def _by_type(averaged: nn.Module, current: nn.Module) -> list[tuple[list[Tensor], list[Tensor]]]:
    """The tensors of two equal modules, detached, in lists of one data type."""
    lists: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    own, other = (chain(m.parameters(), m.buffers()) for m in (averaged, current))
    for one, two in zip(own, other, strict=True):
        pair = lists.setdefault(one.dtype, ([], []))
        pair[0].append(one.detach())
        pair[1].append(two.detach())
    return list(lists.values())


class RampedAverage(WeightAveraging):
    """Exponential moving average of the weights whose decay rises from 0.

    The rise keeps a short run from staying near its initial weights. The decay at step t is
    `decay * (1 - exp(-t / steps))`, as in the ultralytics trainer. Validation and checkpoints use
    the averaged weights; checkpoints also keep the raw ones for resuming.

    Args:
        decay: the limit.
        steps: time constant of the rise.
    """

    def __init__(self, decay: float, steps: int) -> None:
        super().__init__(use_buffers=True)
        self._decay, self._time_constant = decay, steps

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Create the average when training begins."""
        if stage == "fit":
            self._average_model = _Average(pl_module, self._move)

    def _move(self, averaged: list[Tensor], current: list[Tensor], count: int) -> None:
        weight = self._decay * (1 - math.exp(-count / self._time_constant))
        torch._foreach_lerp_(averaged, current, 1 - weight)


def train_classifier_alone(network: Any) -> None:
    """Freeze all but the last linear layer of a classifier.

    Source: P4, section 3.4.1. As in its code, BatchNorm statistics are still updated, and an
    attention block keeps its random initial weights.

    Raises:
        InputError: the network has no linear classifier; a detector has none.
    """
    head = getattr(network, "classify", None)
    layers = [m for m in head.modules() if isinstance(m, nn.Linear)] if head is not None else []
    if not layers:
        raise InputError(
            "this variant has no linear classifier that could be trained alone",
            where="params.yaml: recipes: head_epochs",
            remedy="set head_epochs: 0",
        )
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in layers[-1].parameters():
        parameter.requires_grad_(True)


class History(Callback):
    """One row an epoch; a resumed run continues the rows of its checkpoint.

    Args:
        on_epoch: called with each new row on the first of several processes.
    """

    def __init__(self, on_epoch: Callable[[dict[str, float]], None] | None) -> None:
        self.rows: list[dict[str, float]] = []
        self._on_epoch = on_epoch
        self._start = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        values = trainer.callback_metrics
        row = {
            "epoch": float(trainer.current_epoch),
            **{name: float(values[name]) for name in ("train_loss", "val_loss", "val_score")},
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": round(time.monotonic() - self._start, 3),
        }
        self.rows.append(row)
        if trainer.is_global_zero and self._on_epoch is not None:
            self._on_epoch(row)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints whole or not at all, even if the process is killed meanwhile."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a temporary file, then rename it."""
        del storage_options
        # Through a Python file, whose errors name their cause; torch's own do not.
        with whole_file(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)


class Selection(Checkpoint):
    """Keeps the checkpoint that is best on val, and stops training when the score stays below it.

    `ferbench.evaluation.selection` defines the rule: the best `val_score`, then the lower
    `val_loss`. Patience counts from the last epoch that reached the best score, ties included.

    `last.ckpt`, to resume from, is written after every epoch; `best.ckpt` is the same file when the
    epoch is the best one so far.

    Args:
        folder: for both checkpoints.
        higher_is_better: direction of `val_score`.
        patience: epochs below the best score before training stops.
    """

    def __init__(self, folder: Path, higher_is_better: bool, patience: int) -> None:
        self.folder, self._higher_is_better = folder, higher_is_better
        self._patience = patience
        self._best: Candidate | None = None
        self._wait = 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the epoch with the best one so far."""
        values = trainer.callback_metrics
        epoch = Candidate(float(values["val_score"]), float(values["val_loss"]))
        self._wait = 0 if self._reaches_best(epoch) else self._wait + 1
        last, best = self.folder / LAST, self.folder / BEST
        if self._is_better(epoch):
            self._best = epoch
            trainer.save_checkpoint(best)
            if trainer.is_global_zero:
                _link(best, last)
        else:
            trainer.save_checkpoint(last)
        if self._wait >= self._patience:
            trainer.should_stop = True

    def _reaches_best(self, epoch: Candidate) -> bool:
        if self._best is None or math.isnan(self._best.value):
            return True
        return improvement(epoch.value, self._best.value, self._higher_is_better) >= 0

    def _is_better(self, epoch: Candidate) -> bool:
        if self._best is None or math.isnan(self._best.value):
            return True
        return best_index([self._best, epoch], self._higher_is_better) == 1

    def state_dict(self) -> dict[str, Any]:
        """The best epoch so far, and the number of epochs since its score was reached."""
        best = None if self._best is None else [self._best.value, self._best.val_loss]
        return {"best": best, "wait": self._wait, "patience": self._patience}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self._best = None if state_dict["best"] is None else Candidate(*state_dict["best"])
        self._wait = int(state_dict["wait"])


def run_callbacks(
    folder: Path, recipe: Recipe, history: History, higher_is_better: bool
) -> list[Callback]:
    """All callbacks of a run.

    Args:
        folder: for checkpoints.
        recipe: gives patience and moving average.
        history: collects the rows.
        higher_is_better: direction of `val_score`.
    """
    average = [RampedAverage(recipe.ema_decay, recipe.ema_steps)] if recipe.ema_decay else []
    return [history, *average, Selection(folder, higher_is_better, recipe.patience)]


def _link(path: Path, name: Path) -> None:
    """Give a file a second name, or make a copy where the file system has no links.

    Checkpoints are replaced, never written over, so the other name keeps its content.
    """
    with whole_file(name) as temporary:
        temporary.unlink()
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)


def resume_point(folder: Path) -> tuple[Path | None, bool]:
    """The checkpoint of an interrupted run, and whether that run had already stopped early.

    `last.ckpt` needs the `best.ckpt` of its best epoch. If that is missing, `last.ckpt` replaces it
    provided its epoch is the best one. Otherwise, or if a file is damaged, both checkpoints are
    deleted and training starts from epoch 0.
    """
    last, best = folder / LAST, folder / BEST
    if not last.is_file():
        return None, False
    content = _read(last)
    if content is None or not (_read(best) or _is_best(content)):
        warnings.warn(
            f"{folder}: checkpoints are damaged or incomplete; training starts from epoch 0",
            stacklevel=2,
        )
        last.unlink(missing_ok=True)  # another process of the run may have deleted it
        best.unlink(missing_ok=True)
        return None, False
    if not best.is_file():
        _link(last, best)
    state = content["callbacks"][Selection.__qualname__]
    return last, state["wait"] >= state["patience"]


def _read(path: Path) -> dict[str, Any] | None:
    """Content of a checkpoint; None if it is absent or damaged."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content["callbacks"][Selection.__qualname__]
    except DAMAGED:
        return None
    return content


def _is_best(last: dict[str, Any]) -> bool:
    """Whether the last epoch of a run is its best one."""
    best = last["callbacks"][Selection.__qualname__]["best"]
    row = last["callbacks"][History.__qualname__]["rows"][-1]
    return best == [row["val_score"], row["val_loss"]]
