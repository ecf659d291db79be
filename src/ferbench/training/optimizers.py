"""A recipe as optimizer and learning-rate schedule."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from ferbench.params import Recipe

__all__ = ["build_optimizer", "build_plateau", "build_schedule", "rate_factor"]


def build_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """SGD or Adam over the parameters that learn; only weights of two or more axes decay."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in network.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    # One kernel for all tensors: on a CPU it saves a tenth of a second a step. With fp16 it
    # would not go together with clipping.
    fused = next(network.parameters()).device.type == "cpu"
    if recipe.optimizer == "adam":
        return Adam(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=fused)
    return SGD(
        groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused
    )


def build_schedule(optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int) -> LambdaLR:
    """The schedule of a recipe, moved on by each optimizer step.

    Args:
        optimizer: whose rate is set.
        recipe: names a schedule other than `plateau`.
        steps_per_epoch: optimizer steps an epoch.
    """
    return LambdaLR(optimizer, lambda step: rate_factor(step / steps_per_epoch, recipe))


def build_plateau(optimizer: Optimizer, recipe: Recipe) -> ReduceLROnPlateau:
    """The plateau schedule of a recipe, to be stepped by each epoch's validation score."""
    return ReduceLROnPlateau(
        optimizer, "max", factor=recipe.plateau_factor, patience=recipe.plateau_patience
    )


def rate_factor(epoch: float, recipe: Recipe) -> float:
    """What `lr` is multiplied with, `epoch` epochs after the start.

    Rises in a line from a tenth of its value over the warm-up. (A plateau schedule has no warm-up.)
    """
    warm = recipe.warmup_epochs
    rise = min(1.0, 0.1 + 0.9 * epoch / warm) if warm else 1.0
    progress = min(1.0, epoch / max(recipe.epochs, 1))
    if recipe.schedule == "linear":
        fall = 1 - progress * (1 - recipe.lr_final)
    elif recipe.schedule == "cosine":
        fall = recipe.lr_final + (1 - recipe.lr_final) * (1 + math.cos(math.pi * progress)) / 2
    else:
        fall = 1.0
    return rise * fall
