"""The parameter column of P2's ablation does not add up.

Source: P2, "YOLO-FER", doi 10.11999/JEIT250936, table 2. Modules that stand in different places add
their parameters, so the row with three is fixed by the base row and the rows with one.
Differs: the base row's exact count is ours; its printed size and cost agree with it. Which two
modules the sixth row has is lost in the text; all pairs are tried.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ferbench.findings.networks import parameters, yolo12
from ferbench.findings.result import Finding, judged

__all__ = ["p2_parameters_not_additive"]

# P2, table 2, column of parameters, in millions.
_PRINTED = {
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


def p2_parameters_not_additive() -> Finding:
    """Bound the row with three modules by the rows with one, and count our own."""
    counts = _counts()
    base = counts[_BASE] / 1e6
    # Rounded, a printed value is less than half a digit below the true one; cut off, a whole digit.
    rounded = _most(base, _STEP / 2)
    needed = _PRINTED[_THREE] - _STEP / 2
    cut = _most_by_pair(base, _STEP)
    return judged(
        "p2_parameters_not_additive",
        "P2, table 2",
        "The printed row with three modules is larger than base and modules together can be.",
        measured={
            **{f"{row}: printed, M": size for row, size in _PRINTED.items()},
            **{f"{row}: ours": counts[row] for row in _PRINTED},
            "three modules if printed values are rounded: less than, M": rounded,
            "three modules if printed values are rounded: needed, M": needed,
            "three modules if printed values are cut off: less than, M": cut,
            "three modules if printed values are cut off: needed, M": _PRINTED[_THREE],
        },
        checks={
            "our base row prints as the paper's": round(base, 1) == _PRINTED[_BASE],
            "rounded values leave the row with three modules too small": rounded < needed,
            "so do values cut off, whichever the two modules": cut < _PRINTED[_THREE],
            "our rows add up": counts[_THREE] == _sum(counts),
        },
        verdict=f"Three modules make less than {rounded:.2f} M where {needed:.2f} M are needed to "
        f"print {_PRINTED[_THREE]}, and cutting digits off contradicts the sixth row instead, so "
        "no choice of modules gives the whole column.",
        ours=f"Every row is counted; the three modules make {counts[_THREE]:,} parameters.",
    )


def _counts() -> dict[str, int]:
    """Our parameters of every row."""
    counts = {row: parameters(yolo12(**options)) for row, options in _OPTIONS.items()}
    return counts | {row: counts[same] for row, same in _SAME.items()}


def _most(base: float, above: float) -> float:
    """Bound of base and three modules, in millions, if values lie less than `above` over print."""
    return sum(_PRINTED[row] + above for row in _SINGLE) - 2 * base


def _most_by_pair(base: float, above: float) -> float:
    """The same, if the sixth row is one of the pairs and keeps to its own printed value."""
    bounds = []
    for pair in combinations(_SINGLE, 2):
        of_pair = sum(_PRINTED[row] + above for row in pair) - base
        if of_pair > _PRINTED[_PAIR]:  # else these two cannot be the sixth row
            (third,) = set(_SINGLE) - set(pair)
            at_most = min(of_pair, _PRINTED[_PAIR] + above)
            bounds.append(at_most + _PRINTED[third] + above - base)
    return max(bounds, default=0.0)


def _sum(counts: dict[str, int]) -> int:
    """The base and what each module adds to it."""
    return counts[_BASE] + sum(counts[row] - counts[_BASE] for row in _SINGLE)
