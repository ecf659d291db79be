"""Weights of classes by how many training faces they have, and how they enter a score's loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ferbench.errors import InputError
from ferbench.models.options import check_option

__all__ = ["class_weights", "column_factor"]

_KINDS = ("none", "inv_freq", "raw", "mean1")
_MODES = ("positive", "column")
_BOUNDS = (0.1, 10.0)


def class_weights(
    counts: Tensor | None, kind: str, *, power: float = 1.0, clip: bool = False
) -> Tensor | None:
    """One weight a class, (K,) in float32; None where classes are not weighed.

    With N faces, N_c of class c: `inv_freq` N / (K N_c), whose mean over faces is 1; `raw` N / N_c;
    `mean1` (1 / N_c) / mean(1 / N_c), whose mean over classes is 1. A class without a face gets the
    mean of the others.

    Source: P3 names N, N_c and w_c; its formula is lost, the three forms are its readings.
    Differs: `power` and `clip` are not in the paper; as given they change nothing.

    Args:
        counts: N_c of the training faces that are used, (K,).
        kind: `none`, `inv_freq`, `raw` or `mean1`.
        power: the weights are raised to it.
        clip: bound the weights to 0.1 to 10.

    Raises:
        InputError: the kind is unknown, or there is nothing to count.
    """
    check_option("loss", "class_weight", kind, _KINDS)
    check_option("loss", "clip", clip, (True, False))
    if kind == "none":
        return None
    if counts is None or not (counts > 0).any():
        raise InputError(
            f"class_weight {kind!r} needs the number of training faces of each class",
            where="params.yaml: variants",
            remedy="train on a split that has faces, or set class_weight: none",
        )
    faces = counts.double()
    seen = faces > 0
    weight = _raw_weights(faces, seen, kind) ** power
    weight[~seen] = weight[seen].mean()
    return (weight.clamp(*_BOUNDS) if clip else weight).float()


def column_factor(target: Tensor, weights: Tensor, mode: str) -> Tensor:
    """The factor of each element of a loss of scores, in the shape of its target (..., K).

    Args:
        target: of the scores, 0 where a place has no face of the class.
        weights: of the classes, (K,).
        mode: `positive` weighs targets above 0 alone, as the true-class term is the only one in the
            formula of weighted cross-entropy; `column` weighs all elements of a class.

    Raises:
        InputError: the mode is unknown.
    """
    check_option("loss", "mode", mode, _MODES)
    every = weights.to(target.device).expand_as(target)
    return every if mode == "column" else torch.where(target > 0, every, torch.ones_like(every))


def _raw_weights(faces: Tensor, seen: Tensor, kind: str) -> Tensor:
    """The formula of a kind, 1 where a class has no face."""
    inverse = torch.where(seen, 1 / faces.clamp_min(1), 1.0)
    if kind == "mean1":
        return torch.where(seen, inverse / inverse[seen].mean(), 1.0)
    share = 1 if kind == "raw" else len(faces)
    return torch.where(seen, faces.sum() / share * inverse, 1.0)
