"""How a metric's values are to be read: as shares or as numbers, and in which direction."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

from ferbench import plugins

__all__ = ["falls", "is_share"]

_METRICS = "ferbench.evaluation.metrics"


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1, and so is written in per cent.

    >>> is_share("accuracy"), is_share("kappa")
    (True, False)
    """
    part = _part(metric)
    return part is None or tuple(part.BOUNDS) == (0.0, 1.0)


def falls(metric: str) -> bool:
    """Whether less of a metric is better.

    >>> falls("ece"), falls("accuracy")
    (True, False)
    """
    part = _part(metric)
    return part is not None and not part.HIGHER_IS_BETTER


@cache
def _part(metric: str) -> ModuleType | None:
    """A metric's file; None for a row of the results that is no metric."""
    if metric not in plugins.names(_METRICS):
        return None
    return importlib.import_module(f"{_METRICS}.{metric}")
