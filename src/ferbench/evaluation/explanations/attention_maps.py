"""What a network's attention gates do to the maps they stand on.

Source: P0 (YOLO-OSAM), P1 (IVSA), P2 (YOLO-FER) and P4 each put gates into a known network and say
that they find the parts of a face that matter; here the weights themselves are shown.
Differs: a gate is read as the ratio of what it gives to what it is given, which is the same for
gates on channels, positions, or both, and for those with a residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.evaluation.gallery import Gallery, scaled
from ferbench.evaluation.views import Face, View
from ferbench.plugins import load

__all__ = ["gates"]

_Weights = NDArray[np.float32]

_CELLS = 60  # a figure with more becomes too large for a page
_SAME = 1e-6  # a difference below the accuracy of float32


@dataclass(frozen=True)
class _Gate:
    name: str
    module: nn.Module


def gates(view: View) -> Gallery | str:
    """The mean weight over channels of every gate of the row's attention, (H, W) each."""
    part = load("ferbench.models.attention", view.trained.variant.attention)
    network = view.trained.network
    found = [_Gate(name, m) for name, m in network.named_modules() if isinstance(m, part)]
    if issubclass(part, nn.Identity) or not found:
        return "the variant has no attention gate"
    faces = view.chosen(max(1, _CELLS // (1 + len(found))))
    weights = [_weights(view, face, found) for face in faces]
    said = [_say(i + 1, g, [w[i] for w in weights]) for i, g in enumerate(found)]
    return Gallery(
        title="What the attention gates weigh",
        caption="Bright places are those that a gate weighs most: what it gives divided by what it "
        "is given, mean over channels, enlarged to the input and scaled to [0, 1] for each gate "
        f"and picture by itself; a gate that treats all places alike leaves a plain picture. "
        f"Weights over all of these faces: {'; '.join(said)}.",
        faces=tuple(faces),
        maps=tuple(
            tuple(_enlarged(one, face) for one in own)
            for own, face in zip(weights, faces, strict=True)
        ),
        heads=tuple(f"gate {number + 1}" for number in range(len(found))),
    )


def _weights(view: View, face: Face, found: list[_Gate]) -> list[_Weights]:
    """The weights (C, H, W) of every gate for one face."""
    read: dict[int, Tensor] = {}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        read[id(module)] = args[0].detach().clone()

    handles = [gate.module.register_forward_pre_hook(note) for gate in found]
    try:
        with torch.no_grad():
            view.trained.network(view.input(face))
    finally:
        for handle in handles:
            handle.remove()
    return [_ratio(gate.module, read[id(gate.module)]) for gate in found]


def _ratio(module: nn.Module, x: Tensor) -> _Weights:
    """What a gate multiplies its map with, (C, H, W).

    Zeros, which no ratio can be taken of, are lifted to a millionth of the largest value: gates
    are continuous, so their weights stay.
    """
    tiny = float(x.abs().max()) * 1e-6 or 1e-6
    x = torch.where(x.abs() < tiny, torch.full_like(x, tiny), x)
    with torch.no_grad():
        ratio: _Weights = (module(x).float() / x.float())[0].cpu().numpy()
    return ratio


def _say(number: int, gate: _Gate, weights: list[_Weights]) -> str:
    """What a gate does, in words."""
    height, width = weights[0].shape[1:]
    name = f"gate {number} ({type(gate.module).__name__}, {width}×{height})"
    low, high = min(float(w.min()) for w in weights), max(float(w.max()) for w in weights)
    if max(1 - low, high - 1) <= _SAME:
        return f"{name} is 1 everywhere, to a millionth: it has no say"
    mean = np.mean([w.mean(dtype=np.float64) for w in weights])
    return f"{name} {low:.3g} to {high:.3g}, mean {mean:.3g}"


def _enlarged(weights: _Weights, face: Face) -> NDArray[np.float64]:
    height, width = face.image.shape[1:]
    flat = weights.mean(axis=0)
    return scaled(cv2.resize(flat, (width, height), interpolation=cv2.INTER_LINEAR))
