"""The network as it is served: norms folded into the convolutions before them."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["deployed"]


def deployed(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode with every BatchNorm behind a convolution folded in.

    A detector of the base library folds itself. Elsewhere a norm is behind a convolution if the two
    are neighbours in their module; the tests hold every row's folded network against the other.
    Norms without a convolution before them stay.
    """
    network = copy.deepcopy(network).eval()
    if hasattr(network, "fuse"):
        return network.fuse(verbose=False)  # type: ignore[operator]
    for module in list(network.modules()):
        _fold(module)
    return network


def _fold(module: nn.Module) -> None:
    for (first, conv), (second, norm) in pairwise(list(module.named_children())):
        # Not a norm of another kind: timm has one with an activation in it.
        if (
            isinstance(conv, nn.Conv2d)
            and type(norm) is nn.BatchNorm2d
            and conv.out_channels == norm.num_features
        ):
            setattr(module, first, fuse_conv_bn_eval(conv, norm))
            setattr(module, second, nn.Identity())
