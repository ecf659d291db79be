"""How a metric's values are to be read: as shares or as numbers, and in which direction."""

from __future__ import annotations

from ferbench.evaluation.scoring import higher_is_better, metric_info

__all__ = ["falls", "is_share"]


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1, and so is written in per cent.

    >>> is_share("accuracy"), is_share("kappa")
    (True, False)
    """
    return metric_info(metric).bounds == (0.0, 1.0)


def falls(metric: str) -> bool:
    """Whether less of a metric is better.

    >>> falls("ece"), falls("accuracy")
    (True, False)
    """
    return not higher_is_better(metric)
