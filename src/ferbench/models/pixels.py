"""What every network is fed, and how a classifier's answer on crops is read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["IMAGENET_DEVIATION", "IMAGENET_MEAN", "as_fractions", "logits_of", "normalize_input"]

# Mean and deviation of ImageNet's training images, red, green, blue.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def as_fractions(image: Tensor, device: torch.device) -> Tensor:
    """Bytes (..., C, H, W) as float32 fractions in [0, 1] on a device."""
    image = image.to(device)
    if image.ndim == 4:
        image = image.to(memory_format=torch.channels_last)
    return image.float().div_(255)


def logits_of(network: nn.Module, image: Tensor) -> Tensor:
    """Logits (N, K) in float32 of fractions (N, C, H, W), or their mean over crops (N, T, C, H, W).

    Source: P1's reference code averages the logits of ten crops.
    """
    if image.ndim == 4:
        logits: Tensor = network(image)
        return logits.float()
    flat: Tensor = network(image.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    return flat.float().view(*image.shape[:2], -1).mean(dim=1)


def normalize_input(network: nn.Module, channels: int) -> None:
    """Let a network take fractions and see them in ImageNet's mean and deviation.

    Grey images take the mean of the three colours' values.
    """

    def normalize(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        del module
        x = inputs[0]
        mean, deviation = (x.new_tensor(v) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
        if channels == 1:
            mean, deviation = mean.mean(0, keepdim=True), deviation.mean(0, keepdim=True)
        return ((x - mean[:, None, None]) / deviation[:, None, None], *inputs[1:])

    network.register_forward_pre_hook(normalize)
