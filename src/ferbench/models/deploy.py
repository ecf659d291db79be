"""The two-branch head of YOLOv10, read by its one-to-one branch.

Source: Wang et al., "YOLOv10", arXiv:2405.14458, section 3.1; ultralytics' `v10Detect` (as a
library).
Differs: the library answers with its best 300 boxes and one class each; here every place and every
class score comes out, as from all other detectors, so that the same metrics read them all.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from ultralytics.nn.modules.head import v10Detect

__all__ = ["OneToOne", "deployed"]


class OneToOne(v10Detect):
    """A head whose answer is the decoded one-to-one branch.

    Shape:
        in training a dict of both branches' raw maps; in evaluation (decoded (N, 4 + K, A), raw)
    """

    @property
    def end2end(self) -> bool:
        """False: boxes come out as from any head, centre and size."""
        return False

    @end2end.setter
    def end2end(self, value: bool) -> None:
        """There is no other way to read this head."""

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
        """Drop the branch that is there for training alone."""
        self.cv2 = self.cv3 = None


# MERGED from ferbench.models.deploy:
# The network as it is served: norms folded into the convolutions before them.


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
