"""Which regions speak for the answer: Grad-CAM.

Source: Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391, section 3, with the library
`pytorch_grad_cam`; P2, figure 13, draws such maps.
Differs: a detector is explained at the maps that its head reads, one a level. Each level's map is
scaled to [0, 1] and their mean is shown. Which modules give the maps is declared by the backbone,
see `ferbench.models.build.cam_layers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.evaluation.gallery import Gallery, scaled
from ferbench.evaluation.views import Face, View, score_of
from ferbench.models.build import cam_layers

__all__ = ["grad_cam"]


def grad_cam(view: View) -> Gallery | str:
    """The positive part of the gradient-weighted sum of the last maps, (H, W) a face."""
    faces = view.chosen()
    layers = cam_layers(view.trained.network, view.input(faces[0]))
    if not layers:
        return "the network has no map of more than one position"
    sizes = ", ".join(f"{width}×{height}" for height, width in layers.values())
    at = f"at its last map ({sizes} positions)"
    if view.detects:
        at = f"at the maps that its head reads ({sizes} positions), mean over levels"
    return Gallery(
        title="Grad-CAM: the regions behind the answer",
        caption="Bright regions speak for the answered class, dark ones do not or speak against "
        f"it: Grad-CAM of the network {at}, enlarged to the input and scaled to [0, 1] for each "
        "picture by itself.",
        faces=tuple(faces),
        maps=tuple((_map(view, face, list(layers)),) for face in faces),
    )


def _map(view: View, face: Face, layers: list[nn.Module]) -> NDArray[np.float64]:
    from pytorch_grad_cam import GradCAM

    cam: Any = GradCAM(score_of(view, face), layers)
    try:
        return scaled(cam(view.input(face).requires_grad_(), [_itself])[0])
    finally:
        cam.activations_and_grads.release()


def _itself(score: Tensor) -> Tensor:
    return score
