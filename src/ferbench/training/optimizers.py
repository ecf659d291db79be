"""A recipe as optimizer and learning-rate schedule."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ferbench.config.params import Recipe

__all__ = [
    "batches_a_step",
    "build_optimizer",
    "build_plateau",
    "build_schedule",
    "momentum_at",
    "rate_factor",
]

_BIASES = 2  # the parameter group of the biases


def batches_a_step(recipe: Recipe) -> int:
    """How many batches are gathered to one step."""
    return max(1, round(recipe.nominal_batch / recipe.batch_size))


def build_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """SGD, Adam or AdamW over the parameters that learn, in groups weights, norms, biases.

    Only weights of two or more axes decay. Where batches are gathered, the decay is scaled by
    images a step over the nominal batch, as in the base library's trainer.
    """
    groups: list[list[nn.Parameter]] = [[], [], []]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            small = _BIASES if name.endswith("bias") else 1
            groups[0 if parameter.ndim > 1 else small].append(parameter)
    scale = 1.0
    if recipe.nominal_batch:
        scale = recipe.batch_size * batches_a_step(recipe) / recipe.nominal_batch
    decays = (recipe.weight_decay * scale, 0.0, 0.0)
    tables = [{"params": p, "weight_decay": d} for p, d in zip(groups, decays, strict=True)]
    # One kernel for all tensors: on a CPU it saves a tenth of a second a step. With fp16 it
    # would not go together with clipping.
    fused = next(network.parameters()).device.type == "cpu"
    if recipe.optimizer in ("adam", "adamw"):
        kind = {"adam": Adam, "adamw": AdamW}[recipe.optimizer]
        return kind(tables, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=fused)
    return SGD(
        tables, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused
    )


def build_schedule(optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int) -> LambdaLR:
    """The schedule of a recipe, moved on by each optimizer step.

    Args:
        optimizer: of `build_optimizer`, whose rates are set.
        recipe: names a schedule other than `plateau`.
        steps_per_epoch: optimizer steps an epoch.
    """

    def weights(step: int) -> float:
        return rate_factor(step / steps_per_epoch, recipe)

    def biases(step: int) -> float:
        return rate_factor(step / steps_per_epoch, recipe, biases=True)

    groups = range(len(optimizer.param_groups))
    return LambdaLR(optimizer, [biases if group == _BIASES else weights for group in groups])


def build_plateau(
    optimizer: Optimizer, recipe: Recipe, higher_is_better: bool
) -> ReduceLROnPlateau:
    """The plateau schedule of a recipe, to be stepped by each epoch's validation score."""
    return ReduceLROnPlateau(
        optimizer,
        "max" if higher_is_better else "min",
        factor=recipe.plateau_factor,
        patience=recipe.plateau_patience,
    )


def rate_factor(epoch: float, recipe: Recipe, *, biases: bool = False) -> float:
    """What `lr` is multiplied with, `epoch` epochs after the start.

    Over the warm-up the rate goes in a line to its value, from 0, for biases from
    `warmup_bias_lr`. (A plateau schedule has no warm-up.)
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
