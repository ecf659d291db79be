"""Terms of losses: adaptive threshold focal loss, weights of classes, divisors over processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from ferbench.errors import InputError
from ferbench.models.blocks import check_option

__all__ = ["ATFL", "class_weights", "column_factor", "focal_weight", "normaliser"]

_OLD, _NEW = 0.05, 0.95  # shares of the past and of this step in the level
_LOWEST, _HIGHEST = 1e-4, 1 - 1e-7
_KINDS = ("none", "inv_freq", "raw", "mean1")
_MODES = ("positive", "column")
_BOUNDS = (0.1, 10.0)


def focal_weight(p_t: Tensor, level: Tensor, lam: float) -> Tensor:
    """(lambda - p_t)^(-ln p_t) up to p_t = 0.5, (1 + 1e-6 - p_t)^(-ln level) above.

    Args:
        p_t: how right each score is, in any shape.
        level: what p_t is on average, a scalar.
        lam: above 1.
    """
    p_t = p_t.clamp(_LOWEST, _HIGHEST)
    hard = (lam - p_t) ** -p_t.log()
    easy = (1 + 1e-6 - p_t) ** -level.clamp(_LOWEST, _HIGHEST).log()
    return torch.where(p_t <= 0.5, hard, easy)


class ATFL(nn.Module):
    """Adaptive threshold focal loss: cross-entropy of each score, heavier where it is wrong.

    Source: P2, "YOLO-FER", after Yang et al., "EFLNet", arXiv:2307.14723, section III.B; P2 sweeps
    lambda over 1.5, 2.0 and 2.5.
    Differs: EFLNet's released code fixes lambda at 1.5, keeps its running mean for one call only
    (so that the level is that of the batch), and lets the gradient flow through the weight; here
    the mean runs over training and the weight is a constant of the step. `running: false`,
    `detach: false` and `lam: 1.5` are the released form. p_t is kept in [1e-4, 1 - 1e-7], since
    hard weights grow without bound as it falls. In a dense detector almost all scores are easy
    negatives (the level is 0.9997 at the start), so that the easy branch does next to nothing;
    `mean_over: foreground` takes the level at places with a face.

    In training each call counts as a step and moves the running mean; in evaluation it stays.

    Args:
        lam: lambda, above 1: how much heavier hard scores are.
        detach: take the weight as a constant.
        mean_over: `all` scores, or those at `foreground` places alone, for the level.
        pt: `published` y p + (1 - y)(1 - p), or `distance` 1 - |y - p|, which reaches 1 for targets
            between 0 and 1 too.
        running: mix the mean over all earlier steps into the level.

    Shape:
        logits (..., K) and targets (..., K) in [0, 1] -> (..., K), float32

    Raises:
        InputError: an option's value is unknown.
    """

    past: Tensor
    steps: Tensor

    def __init__(
        self,
        lam: float = 2.0,
        *,
        detach: bool = True,
        mean_over: str = "all",
        pt: str = "published",
        running: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(lam, int | float) or lam <= 1:
            raise InputError(
                f"lam of ATFL is {lam!r}",
                where="params.yaml: variants",
                remedy="take a number above 1",
            )
        check_option("ATFL", "detach", detach, (True, False))
        check_option("ATFL", "mean_over", mean_over, ("all", "foreground"))
        check_option("ATFL", "pt", pt, ("published", "distance"))
        check_option("ATFL", "running", running, (True, False))
        self.lam, self.detach, self.mean_over, self.pt = lam, detach, mean_over, pt
        self.running = running
        self.register_buffer("past", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of each score."""
        z, y = logits.float(), target.float()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            p = z.sigmoid()
            p_t = y * p + (1 - y) * (1 - p) if self.pt == "published" else 1 - (y - p).abs()
            weight = focal_weight(p_t, self._level(p_t, y), self.lam)
        return weight * F.binary_cross_entropy_with_logits(z, y, reduction="none")

    def _level(self, p_t: Tensor, y: Tensor) -> Tensor:
        """What p_t is on average, now and before."""
        chosen = p_t if self.mean_over == "all" else p_t[y.amax(dim=-1) > 0]
        count = _process_mean(torch.tensor(float(chosen.numel()), device=p_t.device))
        total = _process_mean(chosen.sum())  # of all processes that share the batch
        if count == 0:  # no face in the batch: nothing new is known
            return self.past.clone() if self.steps > 0 else torch.ones_like(self.past)
        now = total / count
        level = _OLD * self.past + _NEW * now if self.running and self.steps > 0 else now
        if self.training:
            self.steps += 1
            self.past += (now.detach() - self.past) / self.steps
        return level


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


def _process_mean(total: Tensor) -> Tensor:
    """Mean of a number over all processes, without a gradient; itself if there is one process."""
    if not (dist.is_available() and dist.is_initialized()):
        return total
    mean = total.detach().clone()
    dist.all_reduce(mean, op=dist.ReduceOp.SUM)
    return mean / dist.get_world_size()


def normaliser(total: Tensor) -> Tensor:
    """The divisor of a loss whose terms are summed over a batch: `total`, at least 1.

    Under DDP each process sees a part of the batch, and gradients are averaged over processes.
    Dividing each part by the mean of the parts' totals makes that average the gradient of the whole
    batch, which is divided by the sum of all.

    Args:
        total: sum of the assigned scores of this process's part, a scalar.
    """
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    return _process_mean(total).clamp_min(1 / processes)
