"""The two LightningModules, for classifiers and for detectors, and the metric on val.

Lightning calls the methods in this order: `configure_optimizers`, then a `training_step` each
batch, then validation each epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchvision.transforms import v2

from ferbench.config.params import Recipe, Variant
from ferbench.errors import InputError
from ferbench.evaluation.predict import Predicted, Reader, reader_of
from ferbench.evaluation.scoring import Predictions, higher_is_better, score_predictions
from ferbench.models.build import as_fractions, build_loss, build_network, logits_of, task_of
from ferbench.models.folded_norm import unfold_norms
from ferbench.models.pretrained import load_initial
from ferbench.training.cuda_graphs import GraphedClassifier, graphs_apply
from ferbench.training.optimizers import (
    build_optimizer,
    build_plateau,
    build_schedule,
    momentum_at,
)

__all__ = ["ClassifierModule", "DetectorModule", "RunModule", "SelectionMetric"]


@dataclass(frozen=True)
class SelectionMetric:
    """The metric on val that selects a run's checkpoint.

    Args:
        metric: a file of `ferbench.evaluation.metrics`.
        threshold: score above which a detector's box counts as a prediction.
    """

    metric: str
    threshold: float

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return higher_is_better(self.metric)

    def value(self, read: Predicted, *, detects: bool) -> float:
        """The metric of a network's predictions on val.

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


class RunModule(LightningModule):
    """A network, its loss and its recipe.

    A subclass implements `batch_loss`, and a `validation_step` that calls `validated`. `val_score`
    is computed from the predictions on val exactly as evaluation computes it.

    Args:
        variant: the row.
        recipe: how it is trained.
        counts: number of training faces of each class, (K,).
        seed: of the initial weights and of every draw in training.
        metric: gives `val_score`.
    """

    def __init__(
        self, variant: Variant, recipe: Recipe, counts: Tensor, seed: int, metric: SelectionMetric
    ) -> None:
        super().__init__()
        self.variant, self.recipe, self.seed, self.metric = variant, recipe, seed, metric
        self._reader: Reader | None = None
        self.counts, self.classes = counts, len(counts)
        network = build_network(variant, recipe, self.classes, seed)
        self.initial = load_initial(network, variant)
        self.network: nn.Module = network
        self._loss: Any = None
        self._loss_state: dict[str, Any] | None = None
        self._plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None

    @property
    def loss(self) -> Any:
        """The loss, built on first use, when the network is on its device."""
        if self._loss is None:
            self._loss = build_loss(self.variant, self.network, self.counts)
            if self._loss_state is not None:  # of the checkpoint
                self._loss.load_state_dict(self._loss_state)
        return self._loss

    def pixels(self, image: Tensor) -> Tensor:
        """Bytes (N, C, H, W) as fractions in [0, 1], on the network's device."""
        return as_fractions(image, self.device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed dropout by the batch number, so that a resumed run draws the same numbers."""
        del batch
        epoch, batches = self.current_epoch, self.trainer.num_training_batches
        place = epoch * int(batches) + batch_idx
        torch.manual_seed(crc32(f"{self.seed}/{place}/{self.global_rank}".encode()))
        if self.recipe.warmup_epochs:
            _set_momentum(self.trainer.optimizers[0], momentum_at(place / batches, self.recipe))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        del batch_idx
        loss, size = self.batch_loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size, prog_bar=True)
        return loss

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of images of a training batch."""
        raise NotImplementedError

    def on_validation_epoch_start(self) -> None:
        """Start collecting predictions."""
        dataset = self.trainer.val_dataloaders.dataset
        self._reader = reader_of(dataset, dataset.faces.classes)

    def validated(self, loss: Tensor, output: Tensor, index: Tensor) -> None:
        """Add a batch to validation loss and predictions.

        Args:
            loss: mean over the batch.
            output: logits (N, K) or decoded boxes (N, 4 + K, A).
            index: of the samples, (N,).
        """
        assert self._reader is not None
        self.log("val_loss", loss, batch_size=len(index), sync_dist=True)
        self._reader.add(output, index)

    def on_validation_epoch_end(self) -> None:
        """Log the selection metric; every process sees all of val."""
        assert self._reader is not None
        detects = task_of(self.variant) == "detect"
        score = self.metric.value(self._reader.tables(), detects=detects)
        self._reader = None
        self.log("val_score", score, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Optimizer and learning-rate schedule of the recipe.

        The plateau schedule is stepped in `on_train_epoch_end`: Lightning steps it only after the
        epoch's checkpoint is written, so a resumed run would miss a step.
        """
        optimizer = build_optimizer(self.network, self.recipe)
        if self.recipe.schedule == "plateau":
            self._plateau = build_plateau(optimizer, self.recipe, self.metric.higher_is_better)
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches) // max(self.recipe.epochs, 1)
        schedule = build_schedule(optimizer, self.recipe, max(1, steps))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient's norm.

        Lightning refuses this for fused optimizers in mixed precision, because some unscale
        gradients themselves. Ours is fused only on a CPU, where bf16 does not scale the loss.
        """
        if gradient_clip_val and optimizer.defaults.get("fused"):
            clip_grad_norm_(self.network.parameters(), gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Step a plateau schedule by the epoch's validation score."""
        if self._plateau is not None:
            self._plateau.step(float(self.trainer.callback_metrics["val_score"]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the plateau schedule and of the loss."""
        if self._plateau is not None:
            checkpoint["plateau"] = self._plateau.state_dict()
        if hasattr(self._loss, "state_dict"):
            checkpoint["loss"] = self._loss.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember both states until the optimizer and the loss exist."""
        self._plateau_state = checkpoint.get("plateau")
        self._loss_state = checkpoint.get("loss")

    def on_train_start(self) -> None:
        """Restore the plateau schedule of an interrupted training."""
        if self._plateau is not None and self._plateau_state is not None:
            self._plateau.load_state_dict(self._plateau_state)


def _set_momentum(optimizer: Any, momentum: float) -> None:
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            group["momentum"] = momentum


def _flat(image: Tensor) -> Tensor:
    """Fractions (N, C, H, W), channels last; the crops (N, T, C, H, W) of an image follow it."""
    flat = image.flatten(0, 1) if image.ndim == 5 else image
    return flat.contiguous(memory_format=torch.channels_last)


class ClassifierModule(RunModule):
    """Trains on images (N, C, H, W), or ten crops of each (N, 10, C, H, W), and classes (N,).

    Sources: P1's reference code makes one batch of all ten crops of its images; mixup, if the
    recipe has it, is that of Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
    arXiv:1710.09412, with one factor a batch.
    """

    _graphed: GraphedClassifier | None = None
    _unfolded = False
    # Of all training faces, if the data set has raters: shares of votes (N, K) and labels (N,).
    raters: tuple[Tensor, Tensor] | None = None
    _expected: Tensor | None = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Before the first batch, unfold norms and capture CUDA graphs; seed dropout and mixup."""
        if self.initial and not self._unfolded:
            self._unfold_norms(_flat(self.pixels(batch[0])))
        if self._graphed is None and graphs_apply(
            self.recipe, self.device, self.trainer.world_size
        ):
            image = self.pixels(batch[0])
            with self.trainer.precision_plugin.train_step_context():
                self._graphed = GraphedClassifier(self.network, _flat(image))
        super().on_train_batch_start(batch, batch_idx)

    def _unfold_norms(self, images: Tensor) -> None:
        """Unfold norms by the first batch; of several processes, by that of the first one."""
        if unfold_norms(self.network, images) and self.trainer.world_size > 1:
            for tensor in self.network.state_dict().values():
                torch.distributed.broadcast(tensor, 0)
        self._unfolded = True

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of samples of a training batch; ten crops of an image are ten samples."""
        image, target, index = batch
        if getattr(self.loss, "USES_VOTES", False):
            target = self.loss.targets(target, self.expected[index])
        if image.ndim == 5:
            target = target.repeat_interleave(image.shape[1], dim=0)
        size, image = len(target), _flat(self.pixels(image))
        if self.recipe.mixup_alpha:
            mixup = v2.MixUp(alpha=self.recipe.mixup_alpha, num_classes=self.classes)
            image, target = mixup(image, target)
        network = self._graphed or partial(logits_of, self.network)
        seen = (image,) if getattr(self.loss, "SEES_IMAGES", False) else ()
        return self.loss(network(image), target, *seen), size

    @property
    def expected(self) -> Tensor:
        """What the loss makes of the raters' votes (N, K), computed once, on the network's device.

        Raises:
            InputError: the data set has no raters.
        """
        if self._expected is None:
            if self.raters is None:
                raise InputError(
                    f"loss {self.variant.loss!r} needs raters' votes; this data set has none",
                    where="params.yaml: variants: loss",
                    remedy="take source ferplus, with `options: {label: fer2013}` for FER2013's "
                    "own labels",
                )
            self._expected = self.loss.expected(*self.raters).to(self.device)
        return self._expected

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to validation loss and predictions."""
        del batch_idx
        image, target, index = batch
        logits = logits_of(self.network, self.pixels(image))
        self.validated(self.loss(logits, target), logits, index)


class DetectorModule(RunModule):
    """Trains on images with boxes."""

    def batch_loss(self, batch: Any) -> tuple[Tensor, int]:
        """Loss and number of images of a training batch."""
        batch = {**batch, "img": self.pixels(batch["img"])}
        return self.loss(self.network(batch["img"]), batch), len(batch["img"])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch, summed over the images of a step; the mean is logged.

        The YOLO trainers differentiate the sum over all accumulated batches and all processes, and
        their learning rates for SGD and gradient clipping assume it. YOLOv6 differentiates the mean
        of each batch; `SUM_OVER_IMAGES` of the loss decides.
        """
        accumulated = self.trainer.accumulate_grad_batches  # Lightning divides by it
        # Lightning averages over processes; multiply to get the sum over their images.
        images = len(batch["img"]) * self.trainer.world_size if self.loss.SUM_OVER_IMAGES else 1
        return super().training_step(batch, batch_idx) * images * accumulated

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to validation loss and predictions."""
        del batch_idx
        batch = {**batch, "img": self.pixels(batch["img"])}
        decoded, raw = self.network(batch["img"])
        self.validated(self.loss(raw, batch), decoded, batch["index"])
