"""Whether trainings were long enough: how much the score on val still rose towards their end.

A comparison after few epochs favours the network that learns faster: on CK+, split by image, narrow
YOLOv5s with a fourth head is 6 points below plain YOLOv5s after 28 epochs and 1 point after 48.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

__all__ = ["NOTICEABLE", "LearningCurve", "learning_curves"]

# The best of more epochs is a little better by chance: up to a point in trainings that have
# settled.
NOTICEABLE = 0.02


@dataclass(frozen=True)
class LearningCurve:
    """The score on val over the epochs of a variant's runs on one data set row.

    Args:
        dataset: data set row.
        variant: its name.
        epochs: of the longest run.
        best: mean over seeds of the best score of a run.
        best_epoch: median over seeds of the epoch of the best score, the first one being 1.
        late_gain: mean over seeds of the best score of a run minus its best score in the first two
            thirds of its epochs, negated if lower is better; NaN with fewer than three epochs.
    """

    dataset: str
    variant: str
    epochs: int
    best: float
    best_epoch: float
    late_gain: float

    @property
    def still_rises(self) -> bool:
        """Whether the late gain is large enough to expect more from a longer training."""
        return self.late_gain >= NOTICEABLE


def learning_curves(history: pd.DataFrame, *, lower: bool = False) -> Iterator[LearningCurve]:
    """One for each data set row and variant, in the table's order.

    Args:
        history: rows of `plots/history.csv`: dataset, variant, seed, epoch and val_score.
        lower: whether a lower score is better.
    """
    sign = -1 if lower else 1
    for (dataset, variant), own in history.groupby(["dataset", "variant"], sort=False):
        scores = sign * own.pivot_table(index="epoch", columns="seed", values="val_score")
        best, early = scores.max(), scores.iloc[: 2 * len(scores) // 3].max()
        yield LearningCurve(
            dataset=str(dataset),
            variant=str(variant),
            epochs=len(scores),
            best=sign * float(best.mean()),
            best_epoch=float(scores.idxmax().median()) + 1,
            late_gain=float((best - early).mean()) if len(scores) > 2 else float("nan"),
        )
