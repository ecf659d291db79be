"""A first stage in which the classifier alone learns."""

from __future__ import annotations

from typing import Any

from torch import nn

from ferbench.errors import InputError

__all__ = ["train_classifier_alone"]


def train_classifier_alone(network: Any) -> None:
    """Freeze all but the last linear layer of a classifier.

    Source: P4, section 3.4.1. As in its code, norms go on following their batches, and an attention
    block stays as it was drawn.

    Raises:
        InputError: the network has no classifier of its own, as a detector has none.
    """
    head = getattr(network, "classify", None)
    layers = [m for m in head.modules() if isinstance(m, nn.Linear)] if head is not None else []
    if not layers:
        raise InputError(
            "this variant has no linear classifier that could be trained alone",
            where="params.yaml: recipes: head_epochs",
            remedy="write head_epochs: 0",
        )
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for parameter in layers[-1].parameters():
        parameter.requires_grad_(True)
