"""Which pixels move the answer: the gradient of its score.

Source: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks: Visualising Image
Classification Models and Saliency Maps", ICLR 2014 workshop, arXiv:1312.6034, section 3; P1, figure
3, draws such maps.
Differs: a detector's score is that of the box which answers for the face; the largest hundredth of
the values is cut.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ferbench.evaluation.gallery import Gallery, scaled
from ferbench.evaluation.views import Face, View, score_of

__all__ = ["saliency"]

_CUT = 99  # per cent of pixels; a single spike would leave all others dark


def saliency(view: View) -> Gallery | str:
    """The largest |gradient| over a pixel's channels, (H, W) a face."""
    faces = view.chosen()
    score = "the logit of the answering box for" if view.detects else "the logit of"
    return Gallery(
        title="Saliency: the gradient of the answer",
        caption=f"Bright pixels are those where a small change would move {score} the answered "
        "class most: the largest absolute gradient over a pixel's channels, scaled to [0, 1] for "
        "each picture by itself, the top hundredth of its pixels cut to 1.",
        faces=tuple(faces),
        maps=tuple((_map(view, face),) for face in faces),
    )


def _map(view: View, face: Face) -> NDArray[np.float64]:
    x = view.input(face).requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(view, face)(x).sum(), x)
    values = gradient.abs().amax(dim=1)[0].cpu().numpy()
    return scaled(np.minimum(values, np.percentile(values, _CUT)))
