"""The rule of selection: which epoch, seed or variant is the best one on val.

Training picks the epoch of a run by it, evaluation and serving the seed of a variant and the
variant of a study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ferbench.errors import InputError

__all__ = ["Candidate", "best_index", "improvement"]


@dataclass(frozen=True)
class Candidate:
    """What selection knows of an epoch, a seed or a variant.

    Args:
        value: the selection metric on val.
        val_loss: the loss on val, which breaks ties; infinity where it is unknown.
    """

    value: float
    val_loss: float = math.inf


def best_index(candidates: Sequence[Candidate], higher_is_better: bool) -> int:
    """Index of the best candidate.

    The best candidate has the best value of the metric. Ties are broken by the lower loss on val,
    and remaining ties by the lower index. A candidate whose value is NaN is never selected, and a
    loss that is NaN counts as infinity.

    Args:
        candidates: in their order: epochs, seeds or rows of a table.
        higher_is_better: the direction of the metric.

    Raises:
        InputError: no candidate has a value that is a number.

    >>> epochs = [Candidate(0.5, 1.2), Candidate(0.6, 1.3), Candidate(0.6, 1.1)]
    >>> best_index(epochs, higher_is_better=True)
    2
    >>> best_index(epochs, higher_is_better=False)
    0
    """
    keys = [
        (-c.value if higher_is_better else c.value, _or_infinity(c.val_loss), index)
        for index, c in enumerate(candidates)
        if not math.isnan(c.value)
    ]
    if not keys:
        raise InputError(
            f"none of {len(candidates)} candidates has a value of the selection metric on val",
            remedy="select by a metric that is defined on val, such as accuracy",
        )
    return min(keys)[2]


def improvement(value: float, reference: float, higher_is_better: bool) -> float:
    """How much better a value is than a reference; negative if it is worse.

    >>> improvement(0.25, 0.5, higher_is_better=False)
    0.25
    """
    return value - reference if higher_is_better else reference - value


def _or_infinity(loss: float) -> float:
    return math.inf if math.isnan(loss) else loss
