"""Explanations by gradients of the predicted class's score: saliency and Grad-CAM.

A detector's score is that of the box that is the prediction for the face.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ferbench.evaluation.explain import View, score_of
from ferbench.evaluation.gallery import Face, Gallery, scaled
from ferbench.models.build import cam_layers

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


def grad_cam(view: View) -> Gallery | str:
    """Which regions support the prediction: Grad-CAM, (H, W) a face.

    The positive part of the gradient-weighted sum of the last maps.
    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, arXiv:1610.02391, section 3, with the library
    `pytorch_grad_cam`; P2, figure 13, draws such maps.
    Differs: a detector is explained at the maps that its head reads, one a level. Each level's map
    is scaled to [0, 1] and their mean is shown. Which modules give the maps is declared by the
    backbone, see `ferbench.models.build.cam_layers`.
    """
    faces = view.chosen()
    layers = cam_layers(view.trained.network, view.input(faces[0]))
    if not layers:
        return "the network has no map of more than one position"
    sizes = ", ".join(f"{width}×{height}" for height, width in layers.values())
    at = f"at its last map ({sizes} positions)"
    if view.detects:
        at = f"at the maps that its head reads ({sizes} positions), mean over levels"
    return Gallery(
        title="Grad-CAM: the regions behind the prediction",
        caption="Bright regions support the predicted class, dark ones do not or speak against "
        f"it: Grad-CAM of the network {at}, enlarged to the input and scaled to [0, 1] for each "
        "picture by itself.",
        faces=tuple(faces),
        maps=tuple((_cam_map(view, face, list(layers)),) for face in faces),
    )


def _saliency_map(view: View, face: Face) -> NDArray[np.float64]:
    x = view.input(face).requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(view, face)(x).sum(), x)
    values = gradient.abs().amax(dim=1)[0].cpu().numpy()
    return scaled(np.minimum(values, np.percentile(values, _CUT)))


def _cam_map(view: View, face: Face, layers: list[nn.Module]) -> NDArray[np.float64]:
    from pytorch_grad_cam import GradCAM

    cam: Any = GradCAM(score_of(view, face), layers)
    try:
        return scaled(cam(view.input(face).requires_grad_(), [lambda score: score])[0])
    finally:
        cam.activations_and_grads.release()
