"""Where a run is trained: which accelerator, how many devices, and each one's share of a batch."""

from __future__ import annotations

import torch

from ferbench.errors import InputError
from ferbench.params import Recipe, Train

__all__ = ["batch_share", "devices_of", "placement"]


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
