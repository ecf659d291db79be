"""Optimizers and learning-rate schedules of a recipe.

Schedules (`recipe.schedule`), all after a linear warm-up of `warmup_epochs`:

- `constant`, `linear`, `cosine`: `schedule_factor` gives the factor of the learning rate, changed
  every optimizer step by `build_schedule`;
- `plateau`: `build_plateau` lowers the rate when the validation score stops improving, every epoch,
  without warm-up.
"""

from __future__ import annotations

import math

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ferbench.config.params import Recipe

__all__ = [
    "accumulated_batches",
    "build_optimizer",
    "build_plateau",
    "build_schedule",
    "momentum_at",
    "schedule_factor",
]

_BIASES = 2  # the parameter group of the biases


def accumulated_batches(recipe: Recipe) -> int:
    """Number of batches of one optimizer step (gradient accumulation)."""
    return max(1, round(recipe.nominal_batch / recipe.batch_size))


def build_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """SGD, Adam or AdamW over the trainable parameters, in groups weights, norms, biases.

    Only weights of two or more axes decay. With gradient accumulation the decay is scaled by images
    a step over the nominal batch, as in the ultralytics trainer.
    """
    groups: list[list[nn.Parameter]] = [[], [], []]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            small = _BIASES if name.endswith("bias") else 1
            groups[0 if parameter.ndim > 1 else small].append(parameter)
    scale = 1.0
    if recipe.nominal_batch:
        scale = recipe.batch_size * accumulated_batches(recipe) / recipe.nominal_batch
    decays = (recipe.weight_decay * scale, 0.0, 0.0)
    tables = [{"params": p, "weight_decay": d} for p, d in zip(groups, decays, strict=True)]
    # One kernel for all tensors saves a tenth of a second a step on a CPU. On a GPU, fp16 with a
    # fused optimizer excludes gradient clipping.
    fused = next(network.parameters()).device.type == "cpu"
    if recipe.optimizer in ("adam", "adamw"):
        kind = {"adam": Adam, "adamw": AdamW}[recipe.optimizer]
        return kind(tables, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=fused)
    return SGD(
        tables, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused
    )


def build_schedule(optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int) -> LambdaLR:
    """The learning-rate schedule of a recipe, stepped after each optimizer step.

    Args:
        optimizer: of `build_optimizer`.
        recipe: with a schedule other than `plateau`.
        steps_per_epoch: optimizer steps an epoch.
    """

    def weights(step: int) -> float:
        return schedule_factor(step / steps_per_epoch, recipe)

    def biases(step: int) -> float:
        return schedule_factor(step / steps_per_epoch, recipe, biases=True)

    groups = range(len(optimizer.param_groups))
    return LambdaLR(optimizer, [biases if group == _BIASES else weights for group in groups])


def build_plateau(
    optimizer: Optimizer, recipe: Recipe, higher_is_better: bool
) -> ReduceLROnPlateau:
    """The plateau schedule of a recipe, stepped with each epoch's validation score."""
    return ReduceLROnPlateau(
        optimizer,
        "max" if higher_is_better else "min",
        factor=recipe.plateau_factor,
        patience=recipe.plateau_patience,
    )


def schedule_factor(epoch: float, recipe: Recipe, *, biases: bool = False) -> float:
    """Factor of `lr`, `epoch` epochs after the start.

    During warm-up it rises linearly from 0; for biases it starts at `warmup_bias_lr / lr`.

    Args:
        epoch: epochs since the start, with fractions.
        recipe: with a schedule other than `plateau`.
        biases: whether the factor is for the group of biases.
    """
    progress = min(1.0, epoch / max(recipe.epochs, 1))
    if recipe.schedule == "linear":
        fall = 1 - progress * (1 - recipe.lr_final)
    elif recipe.schedule == "cosine":
        fall = recipe.lr_final + (1 - recipe.lr_final) * (1 + math.cos(math.pi * progress)) / 2
    else:
        fall = 1.0
    if epoch >= recipe.warmup_epochs:
        return fall
    start = recipe.warmup_bias_lr / recipe.lr if biases and recipe.lr else 0.0
    return start + (fall - start) * epoch / recipe.warmup_epochs


def momentum_at(epoch: float, recipe: Recipe) -> float:
    """Momentum, or Adam's first beta, `epoch` epochs after the start."""
    if epoch >= recipe.warmup_epochs:
        return recipe.momentum
    part = epoch / recipe.warmup_epochs
    return recipe.warmup_momentum + (recipe.momentum - recipe.warmup_momentum) * part
