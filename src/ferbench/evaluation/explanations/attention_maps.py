"""Attention maps: the weights by which attention modules scale their feature maps.

Source: P0 (YOLO-OSAM), P1 (IVSA), P2 (YOLO-FER) and P4 each put attention into a known network and
report that it finds the parts of a face that matter; here the weights themselves are shown.
Differs: the weights are read as the ratio of a module's output to its input, which is the same for
attention over channels, positions, or both, and for modules with a residual.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.evaluation.explain import View
from ferbench.evaluation.gallery import Face, Gallery, scaled
from ferbench.plugins import load

__all__ = ["attention_maps"]

_Weights = NDArray[np.float32]

_PICTURES = 60  # a figure with more becomes too large for a page
_SAME = 1e-6  # a difference below the accuracy of float32


def attention_maps(view: View) -> Gallery | str:
    """The mean weight over channels of every attention module of the row, (H, W) each."""
    part = load("ferbench.models.attention", view.trained.variant.attention)
    found = [m for m in view.trained.network.modules() if isinstance(m, part)]
    if issubclass(part, nn.Identity) or not found:
        return "the variant has no attention"
    faces = view.chosen(max(1, _PICTURES // (1 + len(found))))
    weights = [_weights(view, face, found) for face in faces]
    described = [_describe(i + 1, m, [w[i] for w in weights]) for i, m in enumerate(found)]
    return Gallery(
        title="Attention maps",
        caption="Bright places are those that an attention module weighs most: its output divided "
        "by its input, mean over channels, enlarged to the input and scaled to [0, 1] for each "
        "module and picture by itself; a module that treats all places alike leaves a plain "
        f"picture. Weights over all of these faces: {'; '.join(described)}.",
        faces=tuple(faces),
        maps=tuple(
            tuple(_enlarged(one, face) for one in own)
            for own, face in zip(weights, faces, strict=True)
        ),
        heads=tuple(f"module {number + 1}" for number in range(len(found))),
    )


def _weights(view: View, face: Face, found: list[nn.Module]) -> list[_Weights]:
    """The weights (C, H, W) of every module for one face."""
    read: dict[int, Tensor] = {}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        read[id(module)] = args[0].detach().clone()

    handles = [module.register_forward_pre_hook(note) for module in found]
    try:
        with torch.no_grad():
            view.trained.network(view.input(face))
    finally:
        for handle in handles:
            handle.remove()
    return [_ratio(module, read[id(module)]) for module in found]


def _ratio(module: nn.Module, x: Tensor) -> _Weights:
    """Output of a module divided by its input, (C, H, W).

    Zeros, which no ratio can be taken of, are lifted to a millionth of the largest value: attention
    is continuous, so its weights stay.
    """
    tiny = float(x.abs().max()) * 1e-6 or 1e-6
    x = torch.where(x.abs() < tiny, torch.full_like(x, tiny), x)
    with torch.no_grad():
        ratio: _Weights = (module(x).float() / x.float())[0].cpu().numpy()
    return ratio


def _describe(number: int, module: nn.Module, weights: list[_Weights]) -> str:
    """Range and mean of a module's weights, in words."""
    height, width = weights[0].shape[1:]
    name = f"module {number} ({type(module).__name__}, {width}×{height})"
    low, high = min(float(w.min()) for w in weights), max(float(w.max()) for w in weights)
    if max(1 - low, high - 1) <= _SAME:
        return f"{name} is 1 everywhere, to a millionth: it changes nothing"
    mean = np.mean([w.mean(dtype=np.float64) for w in weights])
    return f"{name} {low:.3g} to {high:.3g}, mean {mean:.3g}"


def _enlarged(weights: _Weights, face: Face) -> NDArray[np.float64]:
    height, width = face.image.shape[1:]
    flat = weights.mean(axis=0)
    return scaled(cv2.resize(flat, (width, height), interpolation=cv2.INTER_LINEAR))
