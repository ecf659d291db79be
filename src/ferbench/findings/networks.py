"""Networks and inputs drawn from a seed, and what findings measure on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ferbench.models.blocks import Attention, ConvUnit
from ferbench.plugins import load

__all__ = [
    "CLASSES",
    "NATIVE",
    "built",
    "distance",
    "gradients",
    "noise",
    "parameters",
    "seeded",
    "yolo12",
]

T = TypeVar("T")

CLASSES = 7
NATIVE = ConvUnit(None)
_CHANNELS = 3


def seeded(make: Callable[[], T], seed: int = 0) -> T:
    """Call `make` with torch's generator at `seed`, and restore the generator afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal values of a shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def built(backbone: str, attention: Attention, location: str, **options: Any) -> nn.Module:
    """A detector of seven emotions in colour images, at its initial weights."""
    body = load("ferbench.models.backbones", backbone)
    graph = body(attention, location, NATIVE, _CHANNELS, **options)
    return seeded(lambda: graph.build(CLASSES))


def yolo12(mca: bool = False, **options: Any) -> nn.Module:
    """P2's base detector or, with options, a row of P2's ablation.

    Args:
        mca: whether MCA follows the backbone's area attention.
        options: of the backbone.
    """
    attention = load("ferbench.models.attention", "mca" if mca else "none")
    return built("yolo12", attention, "backbone" if mca else "none", **options)


def distance(outputs: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The largest absolute difference between two lists of maps, entry by entry."""
    pairs = zip(outputs, others, strict=True)
    return max(float((a.detach() - b.detach()).abs().max()) for a, b in pairs)


def gradients(module: nn.Module, x: Tensor) -> dict[str, Tensor | None]:
    """Gradient of a randomly weighted sum of the output, by parameter; None where there is none."""
    total = (module(x) * noise(*x.shape, seed=1)).sum()
    named = dict(module.named_parameters())
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return dict(zip(named, found, strict=True))


def parameters(network: nn.Module) -> int:
    """Number of parameters of a network."""
    return sum(p.numel() for p in network.parameters())
