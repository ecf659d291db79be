"""What two or more parts share: convolution units, the channel perceptron, places of attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ferbench.errors import InputError, unknown

__all__ = [
    "CBL",
    "Attention",
    "ChannelMLP",
    "ConvUnit",
    "attend",
    "check_location",
    "mean_and_max",
]

Attention = Callable[[int], nn.Module]


@dataclass(frozen=True)
class ConvUnit:
    """What follows the convolutions of a backbone.

    Args:
        name: of a class of `torch.nn`; None keeps the backbone's own activation.
        slope: its only argument, if it takes one.
    """

    name: str | None
    slope: float | None = None

    def module(self) -> nn.Module | None:
        """A new activation; None for the backbone's own."""
        if self.name is None:
            return None
        kind: type[nn.Module] = getattr(nn, self.name)
        return kind() if self.slope is None else kind(self.slope)

    def expression(self) -> str | None:
        """The same as ultralytics reads it in a graph, such as `torch.nn.LeakyReLU(0.01)`."""
        argument = "" if self.slope is None else f"{self.slope}"
        return None if self.name is None else f"torch.nn.{self.name}({argument})"


class CBL(nn.Sequential):
    """Convolution, BatchNorm, LeakyReLU with slope 0.01.

    Source: P0 (YOLO-OSAM), section 3.2; the slope is the released code's.
    Differs: nothing. No bias, stride 1, padding keeps the size.

    Shape:
        (N, c_in, H, W) -> (N, c_out, H, W)
    """

    def __init__(self, c_in: int, c_out: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
            nn.LeakyReLU(0.01),
        )


class ChannelMLP(nn.Sequential):
    """The shared two-layer perceptron of channel attention.

    Source: Woo et al., "CBAM", ECCV 2018, arXiv:1807.06521, section 3.1.
    Differs: both layers have a bias, as in the released code of P0 and P1's baseline; the equation
    has none. At least one hidden channel.

    Args:
        channels: C.
        reduction: C divided by the hidden width.
        bias: whether the two layers have one.

    Shape:
        (N, C) -> (N, C)

    Raises:
        InputError: the reduction is no whole number of at least 1.
    """

    def __init__(self, channels: int, reduction: int = 16, bias: bool = True) -> None:
        if not isinstance(reduction, int) or reduction < 1:
            raise InputError(
                f"the reduction of channels is {reduction!r}",
                where="params.yaml: variants",
                remedy="give a whole number of at least 1",
            )
        hidden = max(1, channels // reduction)
        super().__init__(
            nn.Linear(channels, hidden, bias=bias),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=bias),
        )


def mean_and_max(x: Tensor) -> Tensor:
    """Mean and maximum over channels: (N, C, H, W) -> (N, 2, H, W)."""
    return torch.stack((x.mean(dim=1), x.amax(dim=1)), dim=1)


def attend(attention: Attention, channels: int, stage: nn.Module) -> nn.Module:
    """An attention for a map of `channels`, told of the last norm before it if it asks for one.

    Args:
        attention: the class of the part.
        channels: C of the map it stands behind.
        stage: before it; P1's block weighs channels by the gamma of its last BatchNorm.
    """
    module = attention(channels)
    follow = getattr(module, "follow", None)
    if follow is not None:
        follow([m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)][-1])
    return module


def check_location(location: str, known: tuple[str, ...], backbone: str) -> None:
    """Refuse a place that a backbone does not have.

    Raises:
        InputError: with the places there are.
    """
    if location not in known:
        raise unknown(f"location of backbone {backbone}", location, known)
