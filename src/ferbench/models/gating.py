"""What several attentions are made of: a gate on channels and two gates on positions.

A gate gives weights that broadcast over a map and, called, the weighted map.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ferbench.models.blocks import CBL, ChannelMLP, mean_and_max
from ferbench.models.options import check_option

__all__ = [
    "ChannelGate",
    "OrderlyGate",
    "SpatialGate",
    "position_score",
    "position_weights",
]

_NORMS = ("channel", "sigmoid", "spatial", "spatial_raw")
_KERNELS = (3, 7)
_RELEASED_REACH = 3


def position_weights(score: Tensor, norm: str) -> Tensor:
    """Weights of positions from their scores, both (N, 1, H, W); the weights are float32.

    Args:
        score: Y.
        norm: `spatial`, the softmax over positions times H·W, which has mean 1; `spatial_raw`,
            without the factor; `channel`, the softmax over the axis of one channel, which is 1
            whatever the score; `sigmoid`.
    """
    score = score.float()
    if norm == "sigmoid":
        return score.sigmoid()
    if norm == "channel":
        return score.softmax(dim=1)
    # Relative to the largest, as every softmax; divided by their mean, equal scores give exactly 1.
    power = (score - score.detach().amax(dim=(2, 3), keepdim=True)).exp()
    if norm == "spatial":
        return power / power.mean(dim=(2, 3), keepdim=True)
    return power / power.sum(dim=(2, 3), keepdim=True)


def position_score(maps: int, kernel: int, bn: bool = True) -> nn.Sequential:
    """The convolution of spatial attention, (N, maps, H, W) -> (N, 1, H, W), and its norm.

    Raises:
        InputError: the kernel is neither of the two that the papers name.
    """
    check_option("spatial attention", "kernel", kernel, _KERNELS)
    check_option("spatial attention", "bn", bn, (True, False))
    convolution = nn.Conv2d(maps, 1, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(1)) if bn else nn.Sequential(convolution)


class Gate(nn.Module, ABC):
    """A map times its weights."""

    @abstractmethod
    def gate(self, x: Tensor) -> Tensor:
        """The weights, which broadcast over x."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale x by its weights; (N, C, H, W) -> (N, C, H, W)."""
        return x * self.gate(x).to(x.dtype)


class ChannelGate(Gate):
    """Weigh channels by one perceptron over their means and maxima.

    Source: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3.1.
    Differs: see `ChannelMLP`.

    Args:
        channels: C.
        reduction: C divided by the perceptron's hidden width.
        bias: of the perceptron.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, reduction: int = 16, bias: bool = True) -> None:
        super().__init__()
        check_option("channel attention", "bias", bias, (True, False))
        self.mlp = ChannelMLP(channels, reduction, bias)

    def gate(self, x: Tensor) -> Tensor:
        """The weights of channels in (0, 1), (N, C, 1, 1)."""
        total = self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3)))
        return total.sigmoid()[:, :, None, None]


class SpatialGate(Gate):
    """Weigh positions by one convolution over the mean and the maximum of their channels.

    Source: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3.2.
    Differs: a BatchNorm behind the convolution, as in that paper's code, can be left out.

    Args:
        kernel: of the convolution, 3 or 7.
        norm: from scores to weights, as `position_weights` has them.
        bn: whether the convolution has a BatchNorm behind it.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, kernel: int = 7, norm: str = "sigmoid", bn: bool = True) -> None:
        super().__init__()
        check_option("spatial attention", "norm", norm, _NORMS)
        self.norm = norm
        self.score = position_score(2, kernel, bn)

    def gate(self, x: Tensor) -> Tensor:
        """The weights of positions, (N, 1, H, W); in float32."""
        return position_weights(self.score(mean_and_max(x)), self.norm)


class OrderlyGate(Gate):
    """Weigh positions by a norm over convolved maximum and mean maps.

    Source and Differs: see the attention `osam`.

    Args:
        repeat: CBL units a branch, 0 to 4.
        norm: from scores to weights, as `position_weights` has them.
        residual: `none`, `add` (the map is added to the weighted one) or `mean` (of the two).
        gamma_init: start of the last norm's weight.
        form: `corrected`, or `released`: a fourth unit is there and never reached.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        repeat: int = 3,
        norm: str = "spatial",
        residual: str = "none",
        *,
        gamma_init: float = 0.1,
        form: str = "corrected",
    ) -> None:
        super().__init__()
        check_option("orderly attention", "repeat", repeat, range(5))
        check_option("orderly attention", "norm", norm, _NORMS)
        check_option("orderly attention", "residual", residual, ("none", "add", "mean"))
        check_option("orderly attention", "form", form, ("corrected", "released"))
        self.norm, self.residual = norm, residual
        reach = min(repeat, _RELEASED_REACH) if form == "released" else repeat
        self.maximum = nn.Sequential(*(CBL(1, 1) for _ in range(reach)))
        self.mean = nn.Sequential(*(CBL(1, 1) for _ in range(reach)))
        self.fuse = CBL(2, 1)
        for norm_layer in self.fuse:
            if isinstance(norm_layer, nn.BatchNorm2d):
                nn.init.constant_(norm_layer.weight, gamma_init)
        # Last, so that what is reached starts from the same random numbers as without it.
        self.unreached = nn.ModuleList(CBL(1, 1) for _ in range(2 * (repeat - reach)))

    def gate(self, x: Tensor) -> Tensor:
        """The weights of positions, (N, 1, H, W); in float32."""
        maximum = self.maximum(x.amax(dim=1, keepdim=True))
        mean = self.mean(x.mean(dim=1, keepdim=True))
        return position_weights(self.fuse(torch.cat((maximum, mean), dim=1)), self.norm)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each position by its weight, and combine the result with x if asked to."""
        weighted = super().forward(x)
        if self.residual == "none":
            return weighted
        return x + weighted if self.residual == "add" else (x + weighted) / 2
