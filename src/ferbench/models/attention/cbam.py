"""Attention on channels and on positions by pooled maps: CBAM, its halves, and YOLO-OSAM's forms.

Sources: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3 (`cam`, `sam`, `cbam`); P0,
"YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445 (`osam`, `cbamo`).
Differs, for all: the perceptron has biases, as in the released code of P0 and of P1's baseline
(`bias: false` is the equation's), and CBAM's convolution a BatchNorm, as in CBAM's own code
(`bn: false` is the equation's). What else differs stands at each class.

Each map is multiplied with weights that broadcast over it. `norm` makes weights of positions from
their scores: `sigmoid`; `spatial`, the softmax over positions times H·W, which has mean 1;
`spatial_raw`, without the factor; `channel`, the softmax over the axis of one channel, which is 1
whatever the score.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ferbench.models.blocks import CBL, ChannelMLP, check_option, mean_and_max, position_score

__all__ = ["CAM", "CBAM", "CBAMO", "OSAM", "SAM"]

_NORMS = ("channel", "sigmoid", "spatial", "spatial_raw")
_RELEASED_UNITS = 3  # that P0's module of four units reaches


def position_weights(score: Tensor, norm: str) -> Tensor:
    """Weights of positions from their scores, both (N, 1, H, W); the weights are float32."""
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


class _Weighted(nn.Module, ABC):
    """A map times its weights: (N, C, H, W) -> (N, C, H, W)."""

    @abstractmethod
    def weights(self, x: Tensor) -> Tensor:
        """The weights, which broadcast over x."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale x by its weights."""
        return x * self.weights(x).to(x.dtype)


class CAM(_Weighted):
    """Weigh channels by one perceptron over their means and maxima; CBAM's section 3.1.

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

    def weights(self, x: Tensor) -> Tensor:
        """The weights of channels in (0, 1), (N, C, 1, 1)."""
        total = self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3)))
        return total.sigmoid()[:, :, None, None]


class SAM(_Weighted):
    """Weigh positions by one convolution over the mean and the maximum of their channels.

    Source: CBAM's section 3.2; P0's equation 1.
    Differs: P0's code has a 3x3 kernel (`kernel: 3`) and, in the sigmoid's place, a softmax over
    the channel axis, which has one entry, so its weights are 1 for every input: `norm: channel`.

    Args:
        channels: C; the module is the same for any C.
        kernel: of the convolution, 7 or 3.
        norm: `sigmoid`, `channel`, `spatial` or `spatial_raw`.
        bn: whether the convolution has a BatchNorm behind it.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self, channels: int, kernel: int = 7, norm: str = "sigmoid", bn: bool = True
    ) -> None:
        super().__init__()
        check_option("spatial attention", "norm", norm, _NORMS)
        self.channels, self.norm = channels, norm
        self.score = position_score(2, kernel, bn)

    def weights(self, x: Tensor) -> Tensor:
        """The weights of positions, (N, 1, H, W); in float32."""
        return position_weights(self.score(mean_and_max(x)), self.norm)


class OSAM(_Weighted):
    """Weigh positions by a norm over convolved maximum and mean maps; P0's equations 4-8.

    Differs: the paper's equation 7 is a softmax over H·W; its weights average 1/(H·W), which
    starves the branch (the standard deviation after the next conv and norm falls from 1 to 0.03 on
    a 20x20 map), so they are multiplied by H·W and average 1; `norm: spatial_raw` is the equation.
    The authors' code takes the softmax over the channel axis, which has one entry, so its weights
    are 1 for every input: `norm: channel`. Its module with four units applies the third one twice
    to the same map and the fourth one never, so it computes what three units compute:
    `form: released` (here the third norm's running statistics move once a step, not twice). The
    last norm's gamma starts at 0.1, since with 1 the scaled map is spiky at the start (up to 363 on
    80x80). The text speaks of a residual structure, equations and code have none; `residual` adds
    one.

    Args:
        channels: C; the module is the same for any C.
        repeat: CBL units a branch, 0 to 4; 3 in the paper's best row.
        norm: `spatial`, `spatial_raw`, `channel` or `sigmoid`.
        residual: `none`, `add` (the map is added to the weighted one) or `mean` (of the two).
        gamma_init: start of the last norm's weight.
        form: `corrected`, or `released`: a fourth unit is there and never reached.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        repeat: int = 3,
        norm: str = "spatial",
        *,
        residual: str = "none",
        gamma_init: float = 0.1,
        form: str = "corrected",
    ) -> None:
        super().__init__()
        check_option("orderly attention", "repeat", repeat, range(5))
        check_option("orderly attention", "norm", norm, _NORMS)
        check_option("orderly attention", "residual", residual, ("none", "add", "mean"))
        check_option("orderly attention", "form", form, ("corrected", "released"))
        self.channels, self.norm, self.residual = channels, norm, residual
        reached = min(repeat, _RELEASED_UNITS) if form == "released" else repeat
        self.maximum = nn.Sequential(*(CBL(1, 1) for _ in range(reached)))
        self.mean = nn.Sequential(*(CBL(1, 1) for _ in range(reached)))
        self.fuse = CBL(2, 1)
        nn.init.constant_(self.fuse[1].weight, gamma_init)  # type: ignore[arg-type]
        # Last, so that what is reached starts from the same random numbers as without it.
        self.unreached = nn.ModuleList(CBL(1, 1) for _ in range(2 * (repeat - reached)))

    def weights(self, x: Tensor) -> Tensor:
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


class CBAM(nn.Module):
    """Weigh channels as `CAM`, then positions as `SAM`; CBAM's equation 2.

    P4's "Light CBAM" has neither bias nor norm: `{bias: false, bn: false}`.

    Args:
        channels: C.
        reduction: of `CAM`.
        bias: of `CAM`.
        kernel: of `SAM`.
        norm: of `SAM`.
        bn: of `SAM`.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        bias: bool = True,
        *,
        kernel: int = 7,
        norm: str = "sigmoid",
        bn: bool = True,
    ) -> None:
        super().__init__()
        self.channel = CAM(channels, reduction, bias)
        self.spatial = SAM(channels, kernel, norm, bn)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the channel weights, then the spatial weights."""
        return self.spatial(self.channel(x))


class CBAMO(nn.Module):
    """Weigh channels as `CAM`, then positions as `OSAM`; P0's rows "Channel AM + OSAM", table 2.

    Differs: the authors' class for these rows cannot be constructed, so the two parts are put
    together as CBAM's are.

    Args:
        channels: C.
        reduction: of `CAM`.
        bias: of `CAM`.
        repeat: of `OSAM`.
        norm: of `OSAM`.
        residual: of `OSAM`: `none`, `add` or `mean`, of the map with and without its weights.
        gamma_init: of `OSAM`.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        bias: bool = True,
        *,
        repeat: int = 3,
        norm: str = "spatial",
        residual: str = "none",
        gamma_init: float = 0.1,
    ) -> None:
        super().__init__()
        self.channel = CAM(channels, reduction, bias)
        self.spatial = OSAM(channels, repeat, norm, residual=residual, gamma_init=gamma_init)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the channel weights, then the spatial weights."""
        return self.spatial(self.channel(x))
