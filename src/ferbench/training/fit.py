"""Train a network on packed faces: devices, stages, checkpoints, and the outcome.

The loop itself is Lightning's. `modules` defines a step, `optimizers` the optimizer and the
learning-rate schedule, `callbacks` what happens at the end of an epoch.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import RichProgressBar
from torch.utils.data import DataLoader

from ferbench.config.params import Recipe, Train, Variant
from ferbench.data.batched import ResidentFaces, ResidentLoader, fits_on_device
from ferbench.data.dataset import FaceTable
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.errors import InputError
from ferbench.evaluation.selection import Candidate, best_index
from ferbench.models.build import task_of
from ferbench.training.arithmetic import FORMATS, arithmetic_of
from ferbench.training.callbacks import (
    BEST,
    History,
    WholeCheckpoints,
    resume_point,
    run_callbacks,
    train_classifier_alone,
)
from ferbench.training.modules import (
    ClassifierModule,
    DetectorModule,
    RunModule,
    SelectionMetric,
)
from ferbench.training.optimizers import accumulated_batches

__all__ = [
    "Fitted",
    "TrainingData",
    "batch_share",
    "devices_of",
    "fit",
    "loader_workers",
    "placement",
]

Row = tuple[Variant, Recipe, int]  # with the seed
_Loader = DataLoader[Any] | ResidentLoader
OnEpoch = Callable[[dict[str, float]], None] | None

_MODULES: dict[str, type[RunModule]] = {"classify": ClassifierModule, "detect": DetectorModule}
_DATASETS: dict[str, type[FaceDataset] | type[SceneDataset]] = {
    "classify": FaceDataset,
    "detect": SceneDataset,
}


@dataclass(frozen=True)
class TrainingData:
    """Faces to train on and to select the checkpoint on."""

    pack: Path  # folder of packed images
    train: FaceTable  # labelled faces to train on
    val: FaceTable  # labelled faces to select on
    # Selects the checkpoint
    metric: SelectionMetric = field(default_factory=lambda: SelectionMetric("accuracy", 0.5))


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training."""

    state: dict[str, torch.Tensor]  # weights of the best epoch, averaged if the recipe averages
    history: list[dict[str, float]]  # one row an epoch
    best_epoch: int  # counted from 0
    val_score: float  # the selection metric of the best epoch, on val
    val_loss: float  # of the best epoch
    seconds: float  # of all epochs, including those before an interruption
    parameters: int  # number of them
    precision: str  # Lightning's name, such as `32-true`
    devices: str  # number of devices that shared each batch, and their kind, such as `1 cpu`
    resumed: bool  # whether training resumed from a checkpoint
    # The file of initial weights and how many tensors matched; empty for none
    initial: dict[str, Any]
    # Where faces are augmented: `sample by sample` by the loader, `in batches` on the device
    augmented: str = "sample by sample"
    memory_format: str = "channels_last"  # of images and weights; `contiguous` is the other one


def placement(train: Train) -> tuple[str, int]:
    """Lightning's name of the accelerator, and the number of devices of one run.

    `auto` is one device, a GPU if there is one; several devices must be requested by number.
    """
    accelerator = train.accelerator
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    return accelerator, 1 if train.devices == "auto" else train.devices


def devices_of(kind: str, number: int) -> str:
    """Devices of a run in words, such as `2 cuda`."""
    return f"{number} {kind}"


def loader_workers(*, on_gpu: bool) -> int:
    """Number of processes that prepare the batches of each loader; 0 is the training process.

    Workers pay off for a GPU. On a CPU they would compete with training for cores. The environment
    variable FERBENCH_LOADER_WORKERS overrides the number, for machines on which many runs share one
    GPU. Results do not depend on it: a sample's draws depend on seed, epoch and image only.

    Args:
        on_gpu: whether the network is on a GPU.

    Raises:
        InputError: the variable is not a number of processes.
    """
    word = os.environ.get("FERBENCH_LOADER_WORKERS")
    if word is None:
        return min(4, len(os.sched_getaffinity(0)) - 1) if on_gpu else 0
    if not word.isdecimal():
        raise InputError(
            f"{word!r} is not a number of processes",
            where="environment variable FERBENCH_LOADER_WORKERS",
            remedy="set it to 0 or more, or unset it",
        )
    return int(word)


def batch_share(recipe: Recipe, devices: int) -> int:
    """Images of each batch that one of several devices takes; the batch size stays the recipe's.

    Raises:
        InputError: the batch cannot be divided evenly.
    """
    share, rest = divmod(recipe.batch_size, devices)
    if rest or share < 1:
        raise InputError(
            f"a batch of {recipe.batch_size} cannot be divided among {devices} devices",
            where="params.yaml: train: devices",
            remedy="use a number of devices that divides batch_size, or change batch_size",
        )
    return share


def fit(row: Row, data: TrainingData, train: Train, checkpoints: Path, on_epoch: OnEpoch) -> Fitted:
    """Train a variant, or resume the interrupted training that left these checkpoints.

    Args:
        row: variant, recipe and seed.
        data: to train and to select on.
        train: devices, threads and progress bar.
        checkpoints: folder for checkpoints of this training only.
        on_epoch: called with each epoch's row of the history, on the first process only.
    """
    torch.set_num_threads(train.threads)
    stages = _two_stages if row[1].head_epochs else _one_stage
    return stages(row, data, train, checkpoints, on_epoch)


def _two_stages(
    row: Row, data: TrainingData, train: Train, checkpoints: Path, on_epoch: OnEpoch
) -> Fitted:
    """Train the classifier alone, then the whole network from the best epoch of the first stage.

    The better of the two stages is returned. The second has its own optimizer and patience.
    Source: P4, section 3.4.1.
    """
    variant, recipe, seed = row
    first = replace(recipe, epochs=recipe.head_epochs, lr=recipe.head_lr, schedule="constant")
    place = checkpoints / "head"
    head = _one_stage((variant, first, seed), data, train, place, on_epoch, head_only=True)

    def shifted(values: dict[str, float]) -> None:
        if on_epoch is not None:
            on_epoch(values | {"epoch": values["epoch"] + len(head.history)})

    place = checkpoints / "whole"
    again = (replace(variant, weights="none"), recipe, seed)  # starts from `head.state`
    whole = _one_stage(again, data, train, place, shifted, start=head.state)
    after = [r | {"epoch": r["epoch"] + len(head.history)} for r in whole.history]
    ends = [Candidate(part.val_score, part.val_loss) for part in (head, whole)]
    better = (head, whole)[best_index(ends, data.metric.higher_is_better)]
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
    row: Row,
    data: TrainingData,
    train: Train,
    checkpoints: Path,
    on_epoch: OnEpoch,
    *,
    start: dict[str, torch.Tensor] | None = None,
    head_only: bool = False,
) -> Fitted:
    """Train from `start` or the variant's own initial weights; all or the classifier alone."""
    variant, recipe, seed = row
    arithmetic = arithmetic_of(recipe.precision, placement(train)[0], train.threads)
    recipe = replace(recipe, precision=arithmetic.precision)
    history = History(on_epoch)
    module = _MODULES[task_of(variant)](variant, recipe, _counts(data.train), seed, data.metric)
    if isinstance(module, ClassifierModule):
        module.raters = _raters(data.train)
    module.network.to(memory_format=FORMATS[arithmetic.memory_format])
    if start is not None:
        module.network.load_state_dict(start)
    if head_only:
        train_classifier_alone(module.network)
    resume, finished = resume_point(checkpoints)
    trainer = _trainer(train, recipe, checkpoints, history, data.metric)
    loaders = _loaders((variant, recipe, seed), data, trainer)
    if not finished:
        _run(trainer, module, loaders, resume)
    fitted = _fitted(module, trainer, checkpoints, history, resume)
    fitted = replace(
        fitted,
        augmented=_augmented(loaders[0]),
        memory_format=arithmetic.memory_format,
    )
    trainer.strategy.barrier()  # the caller may delete the checkpoints now
    return fitted


def _fitted(
    module: RunModule, trainer: Trainer, checkpoints: Path, history: History, resume: Path | None
) -> Fitted:
    best = torch.load(checkpoints / BEST, map_location="cpu", weights_only=True)
    rows = history.rows or _rows_of(best, resume)
    epochs = [Candidate(row["val_score"], row["val_loss"]) for row in rows]
    chosen = rows[best_index(epochs, module.metric.higher_is_better)]
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
    return torch.bincount(_labels(faces), minlength=len(faces.classes)).float()


def _labels(faces: FaceTable) -> torch.Tensor:
    return torch.tensor(faces.frame["cls"].tolist())


def _raters(faces: FaceTable) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Shares of votes (N, K) and labels (N,); None if the data set has no raters."""
    shares = faces.vote_shares
    return None if shares is None else (torch.from_numpy(shares), _labels(faces))


def _rows_of(best: dict[str, Any], resume: Path | None) -> list[dict[str, float]]:
    """The history of a training whose last epoch was done before it was interrupted."""
    content = best if resume is None else torch.load(resume, weights_only=True)
    return list(content["callbacks"]["History"]["rows"])


def _trainer(
    train: Train, recipe: Recipe, checkpoints: Path, history: History, metric: SelectionMetric
) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    accelerator, devices = placement(train)
    # Without a terminal nobody sees the bar, whose updates take some 6 % of a small training.
    shown = train.progress and sys.stdout.isatty()
    bar = [RichProgressBar(leave=True)] if shown else []
    return Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        # BatchNorm uses the whole batch, as on one device. PyTorch supports this on GPUs only.
        sync_batchnorm=devices > 1 and accelerator != "cpu",
        precision=recipe.precision,
        max_epochs=recipe.epochs,
        gradient_clip_val=recipe.clip_norm or None,
        accumulate_grad_batches=accumulated_batches(recipe),
        callbacks=[*run_callbacks(checkpoints, recipe, history, metric.higher_is_better), *bar],
        plugins=[WholeCheckpoints()],
        logger=False,
        default_root_dir=checkpoints,
        enable_progress_bar=shown,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=False,
    )


def _loaders(row: Row, data: TrainingData, trainer: Trainer) -> tuple[_Loader, _Loader]:
    """Loaders of training and validation batches."""
    variant, recipe, seed = row
    kind = _DATASETS[task_of(variant)]
    train = kind(data.pack, data.train, recipe, seed)
    val = kind(data.pack, data.val, recipe, seed)
    order = EpochSampler(len(train), seed, trainer.global_rank, trainer.world_size)
    share = batch_share(recipe, trainer.world_size)
    device = trainer.strategy.root_device
    if (
        isinstance(train, FaceDataset)
        and isinstance(val, FaceDataset)
        and fits_on_device(train, device)
    ):
        every = EpochSampler(len(val), None)
        return (
            ResidentLoader(ResidentFaces(train, device), order, share),
            ResidentLoader(ResidentFaces(val, device), every, recipe.batch_size),
        )
    for items in (train, val):
        items.keep_items()
    workers = loader_workers(on_gpu=device.type == "cuda")
    return (
        loader(train, order, share, workers),
        loader(val, EpochSampler(len(val), None), recipe.batch_size, workers),
    )


def _augmented(train: _Loader) -> str:
    return "in batches" if isinstance(train, ResidentLoader) else "sample by sample"


def _run(
    trainer: Trainer, module: RunModule, loaders: tuple[Any, Any], resume: Path | None
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
        trainer.fit(module, *loaders, ckpt_path=None if resume is None else str(resume))
