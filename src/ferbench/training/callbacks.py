"""What happens at the end of each epoch: history, checkpoints, stopping."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ferbench.files import whole_file
from ferbench.params import Recipe
from ferbench.training.averaging import RampedAverage

__all__ = ["History", "WholeCheckpoints", "cell_callbacks", "resume_point"]

_LAST = "last"


class History(Callback):
    """One row an epoch; a resumed run goes on with the rows of the killed one.

    Args:
        follow: called with each new row, on the first of several processes; None for nobody.
    """

    def __init__(self, follow: Callable[[dict[str, float]], None] | None) -> None:
        self.rows: list[dict[str, float]] = []
        self._follow = follow
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
        if trainer.is_global_zero and self._follow is not None:
            self._follow(row)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the rows of a killed run."""
        self.rows = list(state_dict["rows"])


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or absent, also when the process is killed while it writes one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write beside the place, then move."""
        del storage_options
        with whole_file(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def cell_callbacks(folder: Path, recipe: Recipe, history: History) -> list[Callback]:
    """All callbacks of a cell.

    Two checkpoints, since Lightning's own "last" follows the best: `best` by `val_score` and `last`
    every epoch.

    Args:
        folder: for checkpoints.
        recipe: gives patience and moving average.
        history: that is written.
    """
    best = ModelCheckpoint(
        folder,
        filename="best",
        monitor="val_score",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(
        folder,
        filename=_LAST,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    stop = EarlyStopping("val_score", mode="max", patience=recipe.patience)
    average = [RampedAverage(recipe.ema_decay, recipe.ema_steps)] if recipe.ema_decay else []
    return [history, *average, stop, best, last]


def resume_point(folder: Path) -> tuple[Path | None, bool]:
    """The checkpoint that a killed run left, and whether that run had stopped early by then."""
    path = folder / f"{_LAST}.ckpt"
    if not path.is_file():
        return None, False
    content = torch.load(path, map_location="cpu", weights_only=True)
    stops = [s for k, s in content["callbacks"].items() if k.startswith("EarlyStopping")]
    return path, any(s["wait_count"] >= s["patience"] for s in stops)
