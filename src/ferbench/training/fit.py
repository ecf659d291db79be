"""Where a run is trained: which accelerator, how many devices, and each one's share of a batch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import RichProgressBar
from torch.utils.data import DataLoader

from ferbench.config.params import Recipe, Train, Variant
from ferbench.data.dataset import FaceTable
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.errors import InputError
from ferbench.evaluation.selection import Candidate, best_index
from ferbench.models.build import task_of
from ferbench.training.callbacks import (
    BEST,
    History,
    WholeCheckpoints,
    resume_point,
    run_callbacks,
    train_classifier_alone,
)
from ferbench.training.modules import ClassifierModule, DetectorModule, RunModule
from ferbench.training.optimizers import batches_a_step
from ferbench.training.outcome import Fitted, SelectionMetric, TrainingData

__all__ = ["batch_share", "devices_of", "fit", "placement"]


def placement(train: Train) -> tuple[str, int]:
    """Lightning's word for the accelerator, and the number of devices of one run.

    `auto` is a GPU where there is one, and one device: several devices are asked for by number.
    """
    accelerator = train.accelerator
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    return accelerator, 1 if train.devices == "auto" else train.devices


def devices_of(kind: str, number: int) -> str:
    """What a run was or will be trained on, such as `2 cuda`."""
    return f"{number} {kind}"


def batch_share(recipe: Recipe, devices: int) -> int:
    """Images of a batch that each of several devices takes, so that the batch stays what it is.

    Raises:
        InputError: the batch cannot be shared out evenly.
    """
    share, rest = divmod(recipe.batch_size, devices)
    if rest or share < 1:
        raise InputError(
            f"a batch of {recipe.batch_size} cannot be shared out over {devices} devices",
            where="params.yaml: train: devices",
            remedy="take a number of devices that divides the batch, or another batch_size",
        )
    return share


# MERGED from ferbench.training.fit:
# Training of one cell: from a description and packed data to weights, history and a record.


_MODULES: dict[str, type[RunModule]] = {"classify": ClassifierModule, "detect": DetectorModule}
_DATASETS: dict[str, type[FaceDataset] | type[SceneDataset]] = {
    "classify": FaceDataset,
    "detect": SceneDataset,
}


def fit(
    row: tuple[Variant, Recipe, int],
    sides: TrainingData,
    train: Train,
    checkpoints: Path,
    follow: Callable[[dict[str, float]], None] | None,
) -> Fitted:
    """Train a row, or go on where a killed run with the same checkpoints left off.

    Args:
        row: variant, recipe and seed.
        sides: data.
        train: where and how.
        checkpoints: folder for them, of this very training only.
        follow: called with each epoch's row of the history, on the first process only.
    """
    torch.set_num_threads(train.threads)
    stages = _two_stages if row[1].head_epochs else _one_stage
    return stages(row, sides, train, checkpoints, follow)


def _two_stages(
    row: tuple[Variant, Recipe, int],
    sides: TrainingData,
    train: Train,
    checkpoints: Path,
    follow: Callable[[dict[str, float]], None] | None,
) -> Fitted:
    """First the classifier alone, then all, from the best of the first; the best of both counts.

    Source: P4, section 3.4.1. The second stage has an optimizer and a patience of its own.
    """
    variant, recipe, seed = row
    first = replace(recipe, epochs=recipe.head_epochs, lr=recipe.head_lr, schedule="constant")
    place = checkpoints / "head"
    head = _one_stage((variant, first, seed), sides, train, place, follow, head_only=True)

    def follow_on(values: dict[str, float]) -> None:
        if follow is not None:
            follow(values | {"epoch": values["epoch"] + len(head.history)})

    place = checkpoints / "whole"
    again = (replace(variant, weights="none"), recipe, seed)  # it begins with the first's state
    whole = _one_stage(again, sides, train, place, follow_on, start=head.state)
    after = [r | {"epoch": r["epoch"] + len(head.history)} for r in whole.history]
    ends = [Candidate(part.val_score, part.val_loss) for part in (head, whole)]
    better = (head, whole)[best_index(ends, sides.rule.higher_is_better)]
    best_epoch = better.best_epoch + (len(head.history) if better is whole else 0)
    return replace(
        better,
        history=[*head.history, *after],
        best_epoch=best_epoch,
        seconds=round(head.seconds + whole.seconds, 2),
        resumed=head.resumed or whole.resumed,
        initial=head.initial,
    )


def _one_stage(
    row: tuple[Variant, Recipe, int],
    sides: TrainingData,
    train: Train,
    checkpoints: Path,
    follow: Callable[[dict[str, float]], None] | None,
    *,
    start: dict[str, torch.Tensor] | None = None,
    head_only: bool = False,
) -> Fitted:
    """One training, from given weights or the variant's own, of all or of the classifier alone."""
    variant, recipe, seed = row
    history = History(follow)
    module = _MODULES[task_of(variant)](variant, recipe, _counts(sides.train), seed, sides.rule)
    if start is not None:
        module.network.load_state_dict(start)
    if head_only:
        train_classifier_alone(module.network)
    resume, finished = resume_point(checkpoints)
    trainer = _trainer(train, recipe, checkpoints, history, sides.rule)
    if not finished:
        _run(trainer, module, _loaders(row, sides, trainer), resume)
    fitted = _fitted(module, trainer, checkpoints, history, resume)
    trainer.strategy.barrier()  # the caller may delete the checkpoints now
    return fitted


def _fitted(
    module: RunModule, trainer: Trainer, checkpoints: Path, history: History, resume: Path | None
) -> Fitted:
    best = torch.load(checkpoints / BEST, map_location="cpu", weights_only=True)
    rows = history.rows or _rows_of(best, resume)
    epochs = [Candidate(row["val_score"], row["val_loss"]) for row in rows]
    chosen = rows[best_index(epochs, module.rule.higher_is_better)]
    return Fitted(
        state={k[8:]: v for k, v in best["state_dict"].items() if k.startswith("network.")},
        history=rows,
        best_epoch=int(chosen["epoch"]),
        val_score=chosen["val_score"],
        val_loss=chosen["val_loss"],
        seconds=round(sum(r["seconds"] for r in rows), 2),
        parameters=sum(p.numel() for p in module.network.parameters()),
        precision=str(trainer.precision),
        devices=devices_of(trainer.strategy.root_device.type, trainer.world_size),
        resumed=resume is not None,
        initial=module.initial,
    )


def _counts(faces: FaceTable) -> torch.Tensor:
    """Number of faces of each class, (K,)."""
    classes = torch.tensor(faces.frame["cls"].tolist())
    return torch.bincount(classes, minlength=len(faces.classes)).float()


def _rows_of(best: dict[str, Any], resume: Path | None) -> list[dict[str, float]]:
    """The history of a run that had ended before it was killed."""
    content = best if resume is None else torch.load(resume, weights_only=True)
    return list(content["callbacks"]["History"]["rows"])


def _trainer(
    train: Train, recipe: Recipe, checkpoints: Path, history: History, rule: SelectionMetric
) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    accelerator, devices = placement(train)
    bar = [RichProgressBar(leave=True)] if train.progress else []
    return Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        # Norms see the whole batch, as on one device. PyTorch has this for GPUs alone.
        sync_batchnorm=devices > 1 and accelerator != "cpu",
        precision=recipe.precision,
        max_epochs=recipe.epochs,
        gradient_clip_val=recipe.clip_norm or None,
        accumulate_grad_batches=batches_a_step(recipe),
        callbacks=[*run_callbacks(checkpoints, recipe, history, rule.higher_is_better), *bar],
        plugins=[WholeCheckpoints()],
        logger=False,
        default_root_dir=checkpoints,
        enable_progress_bar=train.progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=False,
    )


def _loaders(
    row: tuple[Variant, Recipe, int], sides: TrainingData, trainer: Trainer
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    variant, recipe, seed = row
    kind = _DATASETS[task_of(variant)]
    learn = kind(sides.pack, sides.train, recipe, seed)
    select = kind(sides.pack, sides.val, recipe, seed)
    order = EpochSampler(len(learn), seed, trainer.global_rank, trainer.world_size)
    share = batch_share(recipe, trainer.world_size)
    # Workers pay where a GPU waits for them; on a CPU they take the cores that compute.
    workers = 4 if trainer.accelerator.__class__.__name__ == "CUDAAccelerator" else 0
    return (
        loader(learn, order, share, workers),
        loader(select, EpochSampler(len(select), None), recipe.batch_size, workers),
    )


def _run(
    trainer: Trainer, module: RunModule, loaders: tuple[Any, Any], resume: Path | None
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
        trainer.fit(module, *loaders, ckpt_path=None if resume is None else str(resume))
