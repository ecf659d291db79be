"""What findings measure on, and how: networks and pictures drawn from a seed, their distances."""

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
    """What `make` makes with torch's generator at `seed`; the generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers of a shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def built(backbone: str, attention: Attention, location: str, **options: Any) -> nn.Module:
    """A detector of seven emotions in colour pictures, at its initial weights."""
    body = load("ferbench.models.backbones", backbone)
    graph = body(attention, location, NATIVE, _CHANNELS, **options)
    return seeded(lambda: graph.build(CLASSES))


def yolo12(mca: bool = False, **options: Any) -> nn.Module:
    """P2's base detector, or with its options a row of P2's ablation.

    Args:
        mca: whether MCA stands behind the backbone's area attention.
        options: of the backbone.
    """
    attention = load("ferbench.models.attention", "mca" if mca else "none")
    return built("yolo12", attention, "backbone" if mca else "none", **options)


def distance(outputs: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The largest difference of two lists of maps, entry by entry."""
    pairs = zip(outputs, others, strict=True)
    return max(float((a.detach() - b.detach()).abs().max()) for a, b in pairs)


def gradients(module: nn.Module, x: Tensor) -> dict[str, Tensor | None]:
    """Of every parameter, with random weights on a module's output; None for one out of reach."""
    total = (module(x) * noise(*x.shape, seed=1)).sum()
    named = dict(module.named_parameters())
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return dict(zip(named, found, strict=True))


def parameters(network: nn.Module) -> int:
    """How many numbers a network has to learn."""
    return sum(p.numel() for p in network.parameters())
