"""Explanations by gradients of the predicted class's score: saliency and Grad-CAM.

A detector's score is that of the box that is the prediction for the face.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.evaluation.explain import Scored, View, score_of
from ferbench.evaluation.gallery import Face, Gallery, scaled

__all__ = ["grad_cam", "saliency"]

_CUT = 99  # per cent of pixels; a single spike would leave all others dark


def saliency(view: View) -> Gallery | str:
    """Which pixels change the prediction: the largest |gradient| over channels, (H, W) a face.

    Source: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps", ICLR 2014 workshop, arXiv:1312.6034, section 3; P1,
    figure 3, draws such maps.
    Differs: a detector's score is that of a box; the largest hundredth of the values is cut.
    """
    faces = view.chosen()
    score = "the logit of the face's box for" if view.detects else "the logit of"
    return Gallery(
        title="Saliency: the gradient of the prediction",
        caption=f"Bright pixels are those where a small change would move {score} the predicted "
        "class most: the largest absolute gradient over a pixel's channels, scaled to [0, 1] for "
        "each picture by itself, the top hundredth of its pixels cut to 1.",
        faces=tuple(faces),
        maps=tuple((_saliency_map(view, face),) for face in faces),
    )


def _saliency_map(view: View, face: Face) -> NDArray[np.float64]:
    x = view.input(face).requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(view, face)(x).sum(), x)
    values = gradient.abs().amax(dim=1)[0].cpu().numpy()
    return scaled(np.minimum(values, np.percentile(values, _CUT)))


def grad_cam(view: View) -> Gallery | str:
    """Which regions support the prediction: Grad-CAM, (H, W) a face.

    The positive part of the gradient-weighted sum of the last maps.
    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391, section 3, with the library
    `pytorch_grad_cam`; P2, figure 13, draws such maps.
    Differs: a detector is explained at the maps that its last module reads, one a level. Each
    level's map is scaled to [0, 1] and their mean is shown.
    """
    faces = view.chosen()
    layers = _layers(score_of(view, faces[0]), view.input(faces[0]))
    if not layers:
        return "the network has no map of more than one position"
    sizes = ", ".join(f"{layer.width}×{layer.height}" for layer in layers)
    at = f"at its last map ({sizes} positions)"
    if view.detects:
        at = f"at the maps that its head reads ({sizes} positions), mean over levels"
    return Gallery(
        title="Grad-CAM: the regions behind the prediction",
        caption="Bright regions support the predicted class, dark ones do not or speak against "
        f"it: Grad-CAM of the network {at}, enlarged to the input and scaled to [0, 1] for each "
        "picture by itself.",
        faces=tuple(faces),
        maps=tuple((_cam_map(view, face, layers),) for face in faces),
    )


def _cam_map(view: View, face: Face, layers: list[_Layer]) -> NDArray[np.float64]:
    from pytorch_grad_cam import GradCAM

    cam: Any = GradCAM(score_of(view, face), [layer.module for layer in layers])
    try:
        return scaled(cam(view.input(face).requires_grad_(), [lambda score: score])[0])
    finally:
        cam.activations_and_grads.release()


@dataclass(frozen=True)
class _Layer:
    """A module that gives a map."""

    module: nn.Module
    width: int
    height: int


@dataclass
class _Seen:
    """One call of a module."""

    module: nn.Module
    read: Any
    gave: Any

    @property
    def layer(self) -> _Layer:
        height, width = self.gave.shape[2:]
        return _Layer(self.module, width, height)

    @property
    def pools(self) -> bool:
        """Whether a map changed its size without any weight being asked."""
        maps = [isinstance(x, Tensor) and x.ndim == 4 for x in (self.read, self.gave)]
        if not all(maps) or next(self.module.parameters(), None) is not None:
            return False
        return bool(self.read.shape[2:] != self.gave.shape[2:])


@dataclass
class _Trace:
    """All calls of one pass in the order of their ends, and what the last module read.

    Tensors are known by identity: a module that hands on what a module in it made gave the same.
    """

    calls: list[_Seen] = field(default_factory=list)

    def note(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """A forward hook."""
        self.calls.append(_Seen(module, args[0] if args else None, output))

    def once(self) -> list[_Seen]:
        """Calls of modules that were called once: the library cannot tell two calls apart."""
        times = Counter(id(call.module) for call in self.calls)
        return [call for call in self.calls if times[id(call.module)] == 1]

    def maps(self) -> list[_Layer]:
        """Who gave maps of more than one position and did not pool them, the last one first.

        Of modules that gave the same map the last one stands for all.
        """
        pooled = {id(call.gave) for call in self.calls if call.pools}
        maps = {
            id(call.gave): call
            for call in self.once()
            if isinstance(call.gave, Tensor) and call.gave.ndim == 4 and id(call.gave) not in pooled
            if call.gave.shape[2:].numel() > 1
        }
        return [call.layer for call in reversed(maps.values())]

    def read_by(self, head: nn.Module) -> list[_Layer]:
        """Who gave the maps that a head read, in the order of their calls."""
        (read,) = (call.read for call in self.calls if call.module is head)
        own = set(map(id, head.modules()))
        calls = [call for call in self.once() if id(call.module) not in own]
        last = {id(call.gave): number for number, call in enumerate(calls)}
        return [calls[number].layer for number in sorted(last[id(level)] for level in read)]


def _layers(scored: Scored, x: Tensor) -> list[_Layer]:
    """Where a network is explained, found in passes over one image."""
    trace, network = _Trace(), scored.network
    handles = [module.register_forward_hook(trace.note) for module in network.modules()]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    if scored.place is None:
        return list(islice((m for m in trace.maps() if _all_passes(scored, x, m)), 1))
    layers: Any = network.model
    return trace.read_by(layers[-1])


def _all_passes(scored: Scored, x: Tensor, layer: _Layer) -> bool:
    """Whether the score knows the image through this map alone: no other branch is beside it."""
    handle = layer.module.register_forward_hook(lambda module, args, output: output.detach())
    try:
        score = scored(x.requires_grad_()).sum()
    finally:
        handle.remove()
    return not score.requires_grad or torch.autograd.grad(score, x, allow_unused=True)[0] is None
