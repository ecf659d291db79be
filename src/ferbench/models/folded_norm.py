"""Batch norms that start from published weights in which a norm is folded into scale and shift.

Some projects publish a network for inference alone: each batch norm is stored as `y = a x + b`,
and its running mean and deviation are lost. A norm that takes a and b as its weight and bias
computes another function as soon as it trains, because it then divides by the batch's deviation.
`unfold_norms` recovers the norm from a batch of images, so that training starts from the published
function. That is the data-dependent initialization of Salimans & Kingma, "Weight Normalization",
NeurIPS 2016, arXiv:1602.07868, section 3, with published scales instead of 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FoldedNorm", "unfold_norms"]


class FoldedNorm(nn.BatchNorm2d):
    """A batch norm whose published scale and shift still wait for a mean and a deviation.

    The buffer `folded` is 1 from loading such weights until `unfold_norms`, and otherwise 0, which
    is a plain batch norm.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    folded: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("folded", torch.zeros(()))

    @torch.no_grad()
    def unfold(self, x: Tensor) -> None:
        """Take mean and variance from maps (N, C, H, W); the output in `eval` stays as it is."""
        assert self.running_mean is not None and self.running_var is not None
        variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
        scale = self.weight / (self.running_var + self.eps).sqrt()
        self.bias.add_(scale * (mean - self.running_mean))
        self.weight.copy_(scale * (variance + self.eps).sqrt())
        self.running_mean.copy_(mean)
        self.running_var.copy_(variance)
        self.folded.zero_()


@torch.no_grad()
def unfold_norms(network: nn.Module, images: Tensor) -> int:
    """Give a network's folded norms the statistics of a batch; its function in `eval` stays.

    Args:
        network: its parameters and buffers are changed in place, its mode is not.
        images: as it takes them, (N, C, H, W).

    Returns:
        the number of norms that were folded; 0 leaves the network unrun.
    """
    norms = [m for m in network.modules() if isinstance(m, FoldedNorm) and m.folded]
    if not norms:
        return 0

    def statistics(norm: Any, inputs: tuple[Any, ...]) -> None:
        norm.unfold(inputs[0])

    hooks = [norm.register_forward_pre_hook(statistics) for norm in norms]
    training = network.training
    try:
        network.eval()(images)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return len(norms)
