"""Classifiers behind a body's last map.

Sources: P1, "IVSA", section III.A (`fc1000`; dropout 0.2 from the code it builds on, Khaireddin &
Chen, arXiv:2105.03588); Simonyan & Zisserman, arXiv:1409.1556, table 1, Krizhevsky,
arXiv:1404.5997, and Khaireddin & Chen (`fc4096`); He et al., "Deep Residual Learning", CVPR 2016,
arXiv:1512.03385, section 3.3 (`pooled`).
Differs: see each class.

All take the body, (N, C, H, W), the number of classes K, the side and the channels of the image.
The last layer of `classify` is the classifier. A wrong value of an option is an InputError.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import check_option

__all__ = ["FC1000", "FC4096", "Pooled"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


class _Flattened(nn.Module):
    """A perceptron over all positions of a body's map."""

    TASK = "classify"

    body: nn.Module
    classify: nn.Sequential

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.body(x))


class FC1000(_Flattened):
    """Two hidden layers of 1000 behind a flattened map.

    Differs: the paper names no activation between the layers; GELU as in the stages, or ReLU as in
    the code it builds on.

    Args:
        input_px: side of the image, which fixes the size of the flattened map.
        activation: `gelu` or `relu`.
        dropout: share of zeroed hidden values.

    Shape:
        (N, channels, input_px, input_px) -> (N, K)
    """

    def __init__(
        self,
        body: nn.Module,
        classes: int,
        input_px: int,
        channels: int,
        *,
        activation: str = "gelu",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        check_option("head fc1000", "activation", activation, _ACTIVATIONS)
        self.body = body
        width = _feature_size(body, input_px, channels).numel()
        self.classify = _perceptron((width, 1000, classes), _ACTIVATIONS[activation], dropout)


class FC4096(_Flattened):
    """Two hidden layers of 4096 with ReLU behind a flattened map.

    VGG has dropout 0.5 and a 7x7 map, AlexNet dropout 0.5 before the hidden layers and a 6x6 map,
    Khaireddin & Chen dropout 0.2 and the map as it is.
    Differs: as torchvision, a map of another size is pooled to the one named.

    Args:
        input_px: side of the image, which fixes the size of a map that is not pooled.
        pool: side that the map is pooled to by its mean; 0 leaves it as it is.
        dropout: share of zeroed values.
        dropout_at: `outputs` of the hidden layers, as VGG, or their `inputs`, as AlexNet.
        hidden: size of the hidden layers; below 4096 it is a smaller tier of ours.

    Shape:
        (N, channels, input_px, input_px) -> (N, K); any size if the map is pooled
    """

    def __init__(
        self,
        body: nn.Module,
        classes: int,
        input_px: int,
        channels: int,
        *,
        pool: int = 0,
        dropout: float = 0.5,
        dropout_at: str = "outputs",
        hidden: int = 4096,
    ) -> None:
        super().__init__()
        check_option("head fc4096", "dropout_at", dropout_at, ("outputs", "inputs"))
        check_option("head fc4096", "hidden", hidden, (1024, 4096))
        self.body = body
        size = _feature_size(body, input_px, channels)
        width = size[0] * pool * pool if pool else size.numel()
        self.classify = _perceptron((width, hidden, classes), nn.ReLU, dropout, dropout_at, pool)


class Pooled(nn.Module):
    """One linear layer behind the mean over positions.

    Differs: nothing; dropout in front of the layer for the networks that have it.

    Args:
        input_px: side of an image that the body takes; any other passes too.
        dropout: share of zeroed means.

    Shape:
        (N, channels, H, W) -> (N, K)
    """

    TASK = "classify"

    def __init__(
        self,
        body: nn.Module,
        classes: int,
        input_px: int,
        channels: int,
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.body = body
        self.dropout = _dropout(dropout)
        self.classify = nn.Linear(_feature_size(body, input_px, channels)[0], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classify(self.dropout(self.body(x).mean(dim=(2, 3))))


def _feature_size(body: nn.Module, input_px: int, channels: int) -> torch.Size:
    """Shape (C, H, W) of the features of one image; the body's state is left as it was."""
    training = body.training
    body.eval()
    with torch.no_grad():
        shape = body(torch.zeros(1, channels, input_px, input_px)).shape[1:]
    body.train(training)
    return shape


def _perceptron(
    widths: tuple[int, int, int],
    activation: type[nn.Module],
    dropout: float,
    dropout_at: str = "outputs",
    pool: int = 0,
) -> nn.Sequential:
    """Layers 1, 4 and 7 are the linear ones, whatever the options, so that their names stay."""
    inputs, hidden, classes = widths
    flat: nn.Module = nn.Flatten()
    if pool:
        flat = nn.Sequential(nn.AdaptiveAvgPool2d(pool), flat)
    if dropout_at == "inputs":
        flat = nn.Sequential(flat, _dropout(dropout))
    last = _dropout(dropout) if dropout_at == "outputs" else nn.Identity()
    return nn.Sequential(
        flat,
        *(nn.Linear(inputs, hidden), _dropout(dropout), activation()),
        *(nn.Linear(hidden, hidden), last, activation()),
        nn.Linear(hidden, classes),
    )


def _dropout(share: float) -> nn.Dropout:
    if not 0 <= share < 1:
        raise InputError(
            f"dropout must be a share below 1, is {share!r}",
            where="params.yaml: variants",
            remedy="such as 0.5",
        )
    return nn.Dropout(share)
