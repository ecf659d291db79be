"""What a forward pass costs."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["gflops"]

_COUNTED = (torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm)


def gflops(network: nn.Module, channels: int, input_px: int) -> float:
    """2 x multiply-adds of one image of `input_px`, in 10^9.

    Of convolutions and linear layers; the products of an attention's maps are not counted, as in
    the papers.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, channels, input_px, input_px))
    counts = counter.get_flop_counts()["Global"]
    return float(sum(counts.get(op, 0) for op in _COUNTED)) / 1e9
