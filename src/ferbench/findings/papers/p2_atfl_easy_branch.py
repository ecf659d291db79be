"""ATFL's weight of easy scores is 1 in a dense detector.

Source: P2, "YOLO-FER", doi 10.11999/JEIT250936, after Yang et al., "EFLNet", arXiv:2307.14723,
section III.B: easy scores weigh (1 - p)^gamma, where gamma is -ln of the mean p over all scores.
Differs: one step, so that nothing is remembered of earlier ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ferbench.findings.networks import CLASSES, noise, yolo12
from ferbench.findings.result import Finding, judged
from ferbench.models.loss_terms import focal_weight
from ferbench.models.losses.yolo import YOLOLoss

__all__ = ["p2_atfl_easy_branch"]

_PX, _BATCH = 640, 1
_LAMBDA = 2.0  # P2, table 9
_EASY = 0.99
_INERT, _ALIVE = 0.99, 0.9  # weights of an easy score above and below which that is said


def p2_atfl_easy_branch() -> Finding:
    """Ask the loss for its level on a picture with one face, over all scores and at the face."""
    levels = _levels()
    everywhere, at_faces = (levels[over] for over in ("all", "foreground"))
    inert, alive = _weight(everywhere), _weight(at_faces)
    return judged(
        "p2_atfl_easy_branch",
        "P2, ATFL, after EFLNet, section III.B",
        "Almost all scores of a dense detector are easy negatives, so the easy exponent is nearly "
        "0 and easy scores keep nearly their full weight.",
        measured={
            "mean p over all scores": everywhere,
            "gamma over all scores": -math.log(everywhere),
            f"weight of p = {_EASY} with that": inert,
            "mean p at places with a face": at_faces,
            "gamma at places with a face": -math.log(at_faces),
            f"weight of p = {_EASY} with this": alive,
        },
        checks={
            "the mean over all scores is above 0.999": everywhere > 0.999,
            f"easy scores keep more than {_INERT} of their weight": inert > _INERT,
            f"with the mean at faces they keep less than {_ALIVE}": alive < _ALIVE,
        },
        verdict=f"At the start the mean p is {everywhere:.4f}, so a score of {_EASY} keeps "
        f"{inert:.4f} of its weight and ATFL only raises hard scores; with the mean at faces "
        f"it keeps {alive:.2f}.",
        ours="The published form is the default; `mean_over: foreground` takes the mean at places "
        "with a face.",
    )


def _levels() -> dict[str, float]:
    """The mean p of one training step, over all scores and at faces."""
    network = yolo12().train()
    x = noise(_BATCH, 3, _PX, _PX)
    batch = {
        "img": x,
        "batch_idx": torch.arange(_BATCH).float(),
        "cls": (torch.arange(_BATCH) % CLASSES).float()[:, None],
        "bboxes": torch.tensor([[0.5, 0.5, 1.0, 1.0]]).repeat(_BATCH, 1),
    }
    with torch.no_grad():
        raw = network(x)
        return {over: _level(network, raw, batch, over) for over in ("all", "foreground")}


def _level(network: torch.nn.Module, raw: object, batch: dict[str, Tensor], over: str) -> float:
    """What the loss remembers of its first step."""
    loss = YOLOLoss(network, cls="atfl", lam=_LAMBDA, mean_over=over)
    loss(raw, batch)
    (past,) = (value for name, value in loss.state_dict().items() if name.endswith("past"))
    return float(past)


def _weight(level: float) -> float:
    """What an easy score keeps of its weight."""
    return float(focal_weight(torch.tensor(_EASY), torch.tensor(level), _LAMBDA))
