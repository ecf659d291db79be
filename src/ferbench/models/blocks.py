"""What several parts are made of: checks of options, convolution units, layers of attentions."""

from __future__ import annotations

from collections.abc import Callable, Collection
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
    "check_option",
    "mean_and_max",
    "position_score",
    "whole_number",
]

Attention = Callable[[int], nn.Module]

_WHERE = "params.yaml: variants"
_KERNELS = (3, 7)


def check_option(part: str, name: str, value: object, known: Collection[object]) -> None:
    """Refuse a value that an option does not have.

    Args:
        part: that has the option, such as `loss yolo`.
        name: of the option.
        value: that was given.
        known: all valid values.

    Raises:
        InputError: the message lists the valid values.
    """
    # 1 == True in Python, but not to whoever reads a table.
    if not any(v == value and isinstance(v, bool) == isinstance(value, bool) for v in known):
        raise unknown(f"{name} of {part}", value, [str(v) for v in known], where=_WHERE)


def check_location(location: str, known: Collection[str], backbone: str) -> None:
    """Refuse a location of attention that a backbone does not have.

    Raises:
        InputError: the message lists its locations.
    """
    if location not in known:
        raise unknown(f"location of backbone {backbone}", location, known)


def whole_number(what: str, value: object) -> int:
    """The value, which must be a whole number of at least 1.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, int) or value < 1:
        raise InputError(
            f"{what} is {value!r}", where=_WHERE, remedy="give a whole number of at least 1"
        )
    return value


@dataclass(frozen=True)
class ConvUnit:
    """The activation behind the convolutions of a backbone.

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
        """The activation as ultralytics reads it in a graph: `torch.nn.LeakyReLU(0.01)`."""
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
        hidden = max(1, channels // whole_number("the reduction of channels", reduction))
        super().__init__(
            nn.Linear(channels, hidden, bias=bias),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=bias),
        )


def mean_and_max(x: Tensor) -> Tensor:
    """Mean and maximum over channels: (N, C, H, W) -> (N, 2, H, W)."""
    return torch.stack((x.mean(dim=1), x.amax(dim=1)), dim=1)


def position_score(maps: int, kernel: int, bn: bool = True) -> nn.Sequential:
    """The convolution of spatial attention, (N, maps, H, W) -> (N, 1, H, W), and its norm.

    Raises:
        InputError: the kernel is neither of the two that the papers name.
    """
    check_option("spatial attention", "kernel", kernel, _KERNELS)
    check_option("spatial attention", "bn", bn, (True, False))
    convolution = nn.Conv2d(maps, 1, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(1)) if bn else nn.Sequential(convolution)


def attend(attention: Attention, channels: int, stage: nn.Module) -> nn.Module:
    """An attention on the map that a stage ends with.

    P1's attention weighs channels by the gamma of the stage's last BatchNorm: if the attention has
    a method `follow` and that norm is of the map's channels, the method is given the norm.

    Args:
        attention: the part.
        channels: C of the map.
        stage: what the map comes from; it may end without a norm, or with several side by side.
    """
    module = attention(channels)
    follow = getattr(module, "follow", None)
    norms = [m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)]
    if follow is not None and norms and norms[-1].num_features == channels:
        follow(norms[-1])
    return module
