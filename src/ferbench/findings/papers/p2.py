"""Findings about P2, "YOLO-FER", doi 10.11999/JEIT250936.

`p2_atfl_easy_branch`: ATFL, after Yang et al., "EFLNet", arXiv:2307.14723, section III.B: easy
scores weigh (1 - p)^gamma, where gamma is -ln of the mean p over all scores. Differs: a single
step, without a history of earlier ones.

`p2_delta_misprint`: table 13, AP at IoU 0.5 of every class before and after "random degradation",
and the change.

`p2_gflops_constant`: table 8. GFLOPs are two operations per multiply-add of the deployed network's
convolutions and linear layers.

`p2_parameters_not_additive`: table 2. Modules at different places add their parameters, so the row
with three is fixed by the base row and the rows with one. Differs: the base row's exact count is
ours; its printed size and cost agree with it. Which two modules the sixth row has is lost in the
text; all pairs are tried.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ferbench.findings.networks import noise, parameters, yolo12
from ferbench.findings.result import Finding, judged
from ferbench.models.deploy import deployed, gflops
from ferbench.models.loss_terms import focal_weight
from ferbench.models.losses.yolo import YOLOLoss

__all__ = [
    "p2_atfl_easy_branch",
    "p2_delta_misprint",
    "p2_gflops_constant",
    "p2_parameters_not_additive",
]

_PX = 640
_LAMBDA = 2.0  # P2, table 9
_EASY = 0.99
_INERT, _ALIVE = 0.99, 0.9  # limits for the weight of an easy score: unchanged, reduced
_EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "mean")
# P2, table 13, per cent: original, degraded, printed change.
_CHANGES = {
    "yolo_fer": (
        (91.1, 67.1, 75.4, 98.6, 92.7, 93.6, 94.6, 87.6),
        (85.6, 66.4, 70.4, 98.1, 88.7, 91.6, 92.5, 84.8),
        (-5.5, -0.7, -5.0, -0.5, -4.0, -2.0, -2.1, -2.8),
    ),
    "yolo12n": (
        (85.7, 59.2, 66.3, 98.2, 90.8, 92.9, 93.5, 83.8),
        (80.9, 54.2, 58.8, 97.9, 88.2, 90.2, 90.2, 80.1),
        (-4.8, -5.0, -7.5, -0.5, -2.6, -2.7, -3.3, -3.7),
    ),
}
_HALF_DIGIT = 0.05  # of the last printed one

_GFLOPS = {320: 7.7, 480: 7.7, 640: 7.7}  # P2, table 8: GFLOPs by input, in px

# P2, table 2: millions of parameters.
_PARAMETERS = {
    "yolo12n": 2.5,
    "yolo12n_star": 2.5,
    "yolo12n_mca": 2.5,
    "yolo12n_lrfe": 2.8,
    "yolo12n_atfl": 2.5,
    "yolo12n_star_mca": 2.8,
    "yolo12n_star_mca_lrfe": 3.0,
    "yolo_fer": 3.0,
}
_STEP = 0.1  # of the last printed digit
_BASE = "yolo12n"
_SINGLE = ("yolo12n_star", "yolo12n_mca", "yolo12n_lrfe")
_PAIR, _THREE = "yolo12n_star_mca", "yolo12n_star_mca_lrfe"

_STAR = {"star": True}
_LRFE = {"lrfe": "dilated"}
# Rows that differ in the loss alone are one network.
_OPTIONS: dict[str, dict[str, Any]] = {
    "yolo12n": {},
    "yolo12n_star": _STAR,
    "yolo12n_mca": {"mca": True},
    "yolo12n_lrfe": _LRFE,
    "yolo12n_star_mca": {"mca": True, **_STAR},
    "yolo12n_star_mca_lrfe": {"mca": True, **_STAR, **_LRFE},
}
_SAME = {"yolo12n_atfl": "yolo12n", "yolo_fer": "yolo12n_star_mca_lrfe"}


def p2_atfl_easy_branch() -> Finding:
    """Measure the loss's mean p on an image with one face, over all scores and at the face."""
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
    """Mean p of one training step, over all scores and at faces."""
    network = yolo12().train()
    x = noise(1, 3, _PX, _PX)
    batch = {
        "img": x,
        "batch_idx": torch.zeros(1),
        "cls": torch.zeros(1, 1),
        "bboxes": torch.tensor([[0.5, 0.5, 1.0, 1.0]]),
    }
    with torch.no_grad():
        raw = network(x)
        return {over: _level(network, raw, batch, over) for over in ("all", "foreground")}


def _level(network: torch.nn.Module, raw: object, batch: dict[str, Tensor], over: str) -> float:
    """Mean p that the loss stores in its first step."""
    loss = YOLOLoss(network, cls="atfl", lam=_LAMBDA, mean_over=over)
    loss(raw, batch)
    (past,) = (value for name, value in loss.state_dict().items() if name.endswith("past"))
    return float(past)


def _weight(level: float) -> float:
    """Share of its weight that an easy score keeps."""
    return float(focal_weight(torch.tensor(_EASY), torch.tensor(level), _LAMBDA))


def p2_delta_misprint() -> Finding:
    """Recompute the changes from the printed columns."""
    gaps, off = _gaps(), max(map(abs, _departures()))
    wrong = [place for place, gap in gaps.items() if abs(gap) > _HALF_DIGIT]
    return judged(
        "p2_delta_misprint",
        "P2, table 13",
        "One printed change differs from its columns; the printed means are those of the classes.",
        measured={
            "changes printed": len(gaps),
            "changes that differ from their columns": len(wrong),
            "yolo12n, happy: printed less computed, points": gaps["yolo12n, happy"],
            "largest departure of a printed mean, points": off,
        },
        checks={
            "one change differs": wrong == ["yolo12n, happy"],
            "every printed mean is that of its classes": off <= _HALF_DIGIT + 1e-9,
        },
        verdict="YOLO12n's change for happy is printed as -0.5 where its columns give -0.3; the "
        f"other {len(gaps) - 1} changes and all means agree.",
        ours="Changes are computed from what was measured.",
    )


def _gaps() -> dict[str, float]:
    """Printed change minus the difference of the columns, by model and emotion."""
    return {
        f"{model}, {emotion}": change - (after - before)
        for model, columns in _CHANGES.items()
        for emotion, before, after, change in zip(_EMOTIONS, *columns, strict=True)
    }


def _departures() -> list[float]:
    """Mean of the classes minus the printed mean, for every column of scores."""
    scores = [column for columns in _CHANGES.values() for column in columns[:2]]
    return [sum(column[:-1]) / len(column[:-1]) - column[-1] for column in scores]


def p2_gflops_constant() -> Finding:
    """Count the operations of YOLO-FER at the three input sizes."""
    network = deployed(yolo12(mca=True, star=True, lrfe="dilated").eval())
    found = {px: gflops(network, 3, px) for px in _GFLOPS}
    full = found[640]
    by_area = max(abs(found[px] / full / (px / 640) ** 2 - 1) for px in found)
    return judged(
        "p2_gflops_constant",
        "P2, table 8",
        "The printed GFLOPs of 320, 480 and 640 px are those of 640 px, for cost grows with the "
        "area.",
        measured={
            **{f"{px} px: printed, GFLOPs": value for px, value in _GFLOPS.items()},
            **{f"{px} px: ours, GFLOPs": value for px, value in found.items()},
            "largest departure from the share of the area": by_area,
        },
        checks={
            "the paper prints one value": len(set(_GFLOPS.values())) == 1,
            "ours at 640 px is within 2 % of it": abs(full / _GFLOPS[640] - 1) < 0.02,
            "ours grows with the area, within 1 %": by_area < 0.01,
            "ours at 320 px is less than half of it": found[320] < _GFLOPS[320] / 2,
        },
        verdict=f"The network takes {found[320]:.2f}, {found[480]:.2f} and {full:.2f} GFLOPs, so "
        f"the printed {_GFLOPS[640]} fits 640 px alone.",
        ours="GFLOPs are counted at each variant's own input.",
    )


def p2_parameters_not_additive() -> Finding:
    """Bound the row with three modules by the rows with one, and count our own."""
    counts = _parameter_counts()
    base = counts[_BASE] / 1e6
    # Rounded, a printed value is less than half a digit below the true one; cut off, a whole digit.
    rounded = _bound(base, _STEP / 2)
    needed = _PARAMETERS[_THREE] - _STEP / 2
    cut = _bound_by_pair(base, _STEP)
    return judged(
        "p2_parameters_not_additive",
        "P2, table 2",
        "The printed row with three modules is larger than base and modules together can be.",
        measured={
            **{f"{row}: printed, M": size for row, size in _PARAMETERS.items()},
            **{f"{row}: ours": counts[row] for row in _PARAMETERS},
            "three modules if printed values are rounded: less than, M": rounded,
            "three modules if printed values are rounded: needed, M": needed,
            "three modules if printed values are cut off: less than, M": cut,
            "three modules if printed values are cut off: needed, M": _PARAMETERS[_THREE],
        },
        checks={
            "our base row prints as the paper's": round(base, 1) == _PARAMETERS[_BASE],
            "rounded values leave the row with three modules too small": rounded < needed,
            "so do values cut off, whichever the two modules": cut < _PARAMETERS[_THREE],
            "our rows add up": counts[_THREE] == _base_and_modules(counts),
        },
        verdict=f"Three modules make less than {rounded:.2f} M where {needed:.2f} M are needed to "
        f"print {_PARAMETERS[_THREE]}, and cutting digits off contradicts the sixth row instead, "
        "so no choice of modules gives the whole column.",
        ours=f"Every row is counted; the three modules make {counts[_THREE]:,} parameters.",
    )


def _parameter_counts() -> dict[str, int]:
    """Our parameters of every row."""
    counts = {row: parameters(yolo12(**options)) for row, options in _OPTIONS.items()}
    return counts | {row: counts[same] for row, same in _SAME.items()}


def _bound(base: float, above: float) -> float:
    """Bound of base and three modules, in millions, if values lie less than `above` over print."""
    return sum(_PARAMETERS[row] + above for row in _SINGLE) - 2 * base


def _bound_by_pair(base: float, above: float) -> float:
    """The same, if the sixth row is one of the pairs and keeps to its own printed value."""
    bounds = []
    for pair in combinations(_SINGLE, 2):
        of_pair = sum(_PARAMETERS[row] + above for row in pair) - base
        if of_pair > _PARAMETERS[_PAIR]:  # else these two cannot be the sixth row
            (third,) = set(_SINGLE) - set(pair)
            at_most = min(of_pair, _PARAMETERS[_PAIR] + above)
            bounds.append(at_most + _PARAMETERS[third] + above - base)
    return max(bounds, default=0.0)


def _base_and_modules(counts: dict[str, int]) -> int:
    """The base and what each module adds to it."""
    return counts[_BASE] + sum(counts[row] - counts[_BASE] for row in _SINGLE)
