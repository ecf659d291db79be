"""The layers of every backbone and head, narrower: for what does not depend on the width.

Weights by the tens of millions take minutes to draw, to copy and to step. Sizes at full width are
tested for each backbone by itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn

from ferbench.models import graph
from ferbench.models.backbones import vgg, yolov6
from ferbench.models.folded_norm import FoldedNorm
from ferbench.models.heads import classify

__all__ = ["fold_norms", "narrow_networks"]

_WIDTH = 0.25  # of a nano detector; the library's area attention has none below
_HIDDEN = 32


@contextmanager
def narrow_networks() -> Iterator[None]:
    """Detectors at most as wide as a nano, an eighth of our VGGs, short hidden layers."""
    detector, perceptron = graph._make_detector, classify._perceptron

    def narrow_detector(tree: dict[str, Any], *shape: int) -> Any:
        width = min(_WIDTH, tree.get("width_multiple", _WIDTH))
        scales = {
            name: [depth, min(_WIDTH, own), most]
            for name, (depth, own, most) in tree.get("scales", {}).items()
        }
        return detector({**tree, "width_multiple": width, "scales": scales}, *shape)

    def narrow_perceptron(widths: tuple[int, int, int], *options: Any) -> Any:
        return perceptron((widths[0], _HIDDEN, widths[2]), *options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "_make_detector", narrow_detector)
        patch.setattr(classify, "_perceptron", narrow_perceptron)
        patch.setattr(vgg, "_CHANNELS", tuple(c // 8 for c in vgg._CHANNELS))
        sizes = {n: dataclasses.replace(s, width=_WIDTH / 2) for n, s in yolov6.SIZES.items()}
        patch.setattr(yolov6, "SIZES", sizes)
        yield


def fold_norms(network: nn.Module, variant: object) -> dict[str, Any]:
    """Instead of `load_initial`: norms as published weights without their statistics have them."""
    del variant
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm) is nn.BatchNorm2d:
                folded = FoldedNorm(norm.num_features)
                nn.init.uniform_(folded.weight, 0.5, 4)
                folded.folded.fill_(1)
                setattr(parent, name, folded)
    return {"weights": "folded"}
