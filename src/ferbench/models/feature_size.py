"""The size of a body's output, asked of the body itself."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["feature_size"]


def feature_size(body: nn.Module, input_px: int, channels: int) -> torch.Size:
    """Shape (C, H, W) of the features of one image; the body's state is left as it was."""
    training = body.training
    body.eval()
    with torch.no_grad():
        shape = body(torch.zeros(1, channels, input_px, input_px)).shape[1:]
    body.train(training)
    return shape
