"""The anchor-free detection loss: class scores, CIoU and distribution focal loss, task-aligned.

Source: ultralytics' `v8DetectionLoss` (as a library): gains 7.5, 0.5 and 1.5, top 10 anchors a
face; a head with a one-to-one branch (YOLOv10) adds the same loss with the top 1. ATFL: P2. Weights
by class: P3.
Differs: divided by the batch size, by which the library multiplies it, so that it can be logged and
compared; training multiplies again. With ATFL or weights, the sum of assigned scores that the class
loss is divided by stays what it is. A one-to-one branch has a running mean of its own.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import check_option
from ferbench.models.loss_terms import ATFL, class_weights, column_factor, normaliser

__all__ = ["YOLOLoss"]

_GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}
_TOP = {"one2many": 10, "one2one": 1}


@dataclass(eq=False, repr=False)
class YOLOLoss:
    """Sum of the three terms, each with its gain.

    Args:
        network: the detector, on the device it is trained on.
        counts: number of training faces of each class (K,).
        cls: the loss of a score: `bce` or `atfl`.
        lam: ATFL's lambda.
        detach: ATFL's weight is a constant of the step.
        mean_over: ATFL's level: of `all` scores, or at `foreground` places.
        pt: ATFL's p_t: `published` or `distance`.
        running: ATFL's level is a running mean over steps.
        class_weight: `none`, `inv_freq` N / (K N_c), `raw` N / N_c, or `mean1`.
        mode: weights are for `positive` targets, or for the whole `column` of a class.
        cls_gain: of the class scores; more than the library's 0.5 learns emotions, of faces whose
            boxes are easy, in fewer steps.

    Raises:
        InputError: an option's value is unknown, or weights need counts and there are none.
    """

    TASK: ClassVar[str] = "detect"
    # Training differentiates the sum over images, as the library does, not their mean.
    SUM_OVER_IMAGES: ClassVar[bool] = True

    network: nn.Module
    counts: Tensor | None = None
    _: KW_ONLY
    cls: str = "bce"
    lam: float = 2.0
    detach: bool = True
    mean_over: str = "all"
    pt: str = "published"
    running: bool = True
    class_weight: str = "none"
    mode: str = "positive"
    cls_gain: float = _GAINS["cls"]

    def __post_init__(self) -> None:
        from ultralytics.utils.loss import v8DetectionLoss

        check_option("loss yolo", "cls", self.cls, ("bce", "atfl"))
        check_option("loss yolo", "mode", self.mode, ("positive", "column"))
        if self.cls_gain <= 0:
            raise InputError(
                f"must be above 0, is {self.cls_gain}",
                where="loss yolo: option cls_gain",
                remedy="leave it out for the library's 0.5",
            )
        gains = _GAINS | {"cls": self.cls_gain}
        self.network.args = SimpleNamespace(**gains)  # type: ignore[assignment]
        top = _TOP if hasattr(self._head, "one2one_cv2") else {"one2many": _TOP["one2many"]}
        self._terms = {b: v8DetectionLoss(self.network, tal_topk=k) for b, k in top.items()}
        self._assigned: dict[str, Tensor] = {}
        for branch, terms in self._terms.items():
            terms.assigner.register_forward_hook(partial(self._keep_assigned, branch))
        self._scores = nn.ModuleDict()
        weights = class_weights(self.counts, self.class_weight)
        if self.cls == "bce" and weights is None:
            return  # the library's own
        for branch, terms in self._terms.items():
            terms.bce = self._scores[branch] = _ScoreLoss(self._focal(), weights, self.mode)
        self._scores.to(self._terms["one2many"].device)

    @property
    def _head(self) -> Any:
        return self.network.model[-1]  # type: ignore[index]

    def _focal(self) -> ATFL | None:
        if self.cls == "bce":
            return None
        level = {"mean_over": self.mean_over, "pt": self.pt}
        return ATFL(self.lam, detach=self.detach, running=self.running, **level)

    def __call__(self, raw: Any, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a network's raw output and a batch, a scalar.

        Args:
            raw: what the network gives in training, or the second of what it gives in evaluation.
            batch: `img` (B, C, H, W); `batch_idx` (M,), `cls` (M, 1), `bboxes` (M, 4) as cx cy w h
                fractions.
        """
        self._scores.train(self.network.training)
        branches = raw if "one2many" in raw else {"one2many": raw}
        sums = []
        for branch, terms in self._terms.items():
            loss = terms(branches[branch], batch)[0].sum()
            # The library divides by this process's assigned scores; see `normaliser`.
            own = self._assigned[branch]
            sums.append(loss * (own.clamp_min(1) / normaliser(own)))
        total: Tensor = sum(sums[1:], start=sums[0])
        return total / batch["img"].shape[0]

    def _keep_assigned(self, branch: str, assigner: nn.Module, args: Any, found: Any) -> None:
        """Remember the sum of assigned scores, by which the library divides."""
        del assigner, args
        self._assigned[branch] = found[2].sum()

    def state_dict(self) -> dict[str, Tensor]:
        """The running means of ATFL, for a checkpoint; empty without it."""
        return dict(self._scores.state_dict())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the running means of a checkpoint."""
        self._scores.load_state_dict(state)


class _ScoreLoss(nn.Module):
    """The loss of each score, weighed by class: logits and targets (B, A, K) -> (B, A, K)."""

    weights: Tensor | None

    def __init__(self, focal: ATFL | None, weights: Tensor | None, mode: str) -> None:
        super().__init__()
        self.element = focal or nn.BCEWithLogitsLoss(reduction="none")
        self.mode = mode
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        target = target.float()
        loss: Tensor = self.element(logits.float(), target)
        if self.weights is None:
            return loss
        return loss * column_factor(target, self.weights, self.mode)
