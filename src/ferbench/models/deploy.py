"""A network as it is served: norms folded, training branches gone, and what a pass costs."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.flop_counter import FlopCounterMode
from ultralytics.nn.modules.head import v10Detect

from ferbench.models.folded_norm import FoldedNorm

__all__ = ["OneToOne", "deployed", "gflops"]

_COUNTED = (torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm)


def deployed(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode with every BatchNorm behind a convolution folded in.

    A detector of the base library folds itself. Elsewhere a norm is behind a convolution if the two
    are neighbours in their module; the tests compare every row's folded network with the other.
    Norms without a convolution before them stay.
    """
    network = copy.deepcopy(network).eval()
    if hasattr(network, "fuse"):
        return network.fuse(verbose=False)  # type: ignore[operator]
    for module in list(network.modules()):
        for (first, conv), (second, norm) in pairwise(list(module.named_children())):
            # Not a norm of another kind: timm has one with an activation in it.
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and type(norm) in (nn.BatchNorm2d, FoldedNorm)
                and conv.out_channels == norm.num_features
            ):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Identity())
    return network


def gflops(network: nn.Module, channels: int, input_px: int) -> float:
    """2 x multiply-adds of one image of `input_px`, in 10^9.

    Of convolutions and linear layers; the products of an attention's maps are not counted, as in
    the papers.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, channels, input_px, input_px))
    counts = counter.get_flop_counts()["Global"]
    return float(sum(counts.get(op, 0) for op in _COUNTED)) / 1e9


class OneToOne(v10Detect):
    """YOLOv10's head of two branches, of which the one-to-one branch gives the predictions.

    Source: Wang et al., "YOLOv10", arXiv:2405.14458, section 3.1; ultralytics' `v10Detect` (as a
    library).
    Differs: the library keeps the best 300 boxes with one class each; here every place and every
    class score comes out, as from all other detectors, so that the same metrics read them all.

    Shape:
        in training a dict of both branches' raw maps; in evaluation (decoded (N, 4 + K, A), raw)
    """

    @property
    def end2end(self) -> bool:
        """False: boxes come out as from any head, centre and size."""
        return False

    @end2end.setter
    def end2end(self, value: bool) -> None:
        """Ignored: this head has one mode."""

    def forward(self, x: list[Tensor]) -> Any:
        """Raw maps of both branches, and the decoded one-to-one branch."""
        own = [part.detach() for part in x] if self.training else x
        raw = {
            "one2many": self.forward_head(x, **self.one2many),
            "one2one": self.forward_head(own, **self.one2one),
        }
        if self.training:
            return raw
        decoded = self._inference(raw["one2one"])
        return decoded if self.export else (decoded, raw)

    def fuse(self) -> None:
        """Drop the branch that exists for training alone."""
        self.cv2 = self.cv3 = None
