"""The network as it is served: norms folded into the convolutions before them."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["deployed"]


def deployed(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode with every BatchNorm behind a convolution folded in.

    A detector of the base library folds itself. Norms without a convolution before them stay.
    """
    network = copy.deepcopy(network).eval()
    if hasattr(network, "fuse"):
        return network.fuse(verbose=False)  # type: ignore[operator]
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    return network


def _fold(layers: nn.Sequential) -> None:
    for i in range(len(layers) - 1):
        first, second = layers[i], layers[i + 1]
        # Not a norm of another kind: timm has one with an activation in it.
        if isinstance(first, nn.Conv2d) and type(second) is nn.BatchNorm2d:
            layers[i], layers[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
