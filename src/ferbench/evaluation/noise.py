"""What a study's answers say of the labels they are measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ferbench.evaluation.finished import SUBSETS, Finished
from ferbench.evaluation.label_noise import estimate_label_noise
from ferbench.params import Params

__all__ = ["Noise", "study_noise"]

_PLACE = ("dataset", "protocol", "subset")
_ISSUE = ("image_id", "given", "suggested", "self_confidence")


@dataclass(frozen=True)
class Noise:
    """Labels that the networks of a study doubt.

    Args:
        issues: dataset, protocol, subset, image_id (of the face), given, suggested,
            self_confidence.
        summary: by data-set key and subset, what `estimate_label_noise` says.
    """

    issues: pd.DataFrame
    summary: dict[str, Any]


def study_noise(params: Params, cells: Sequence[Finished]) -> Noise:
    """Judge the labels of val and test of every data set by all its cells together.

    Where every seed has a split of its own, the cells have no faces in common and say nothing.

    Args:
        params: the active study.
        cells: all its cells.
    """
    tables = [pd.DataFrame({name: [] for name in (*_PLACE, *_ISSUE)})]
    summary: dict[str, Any] = {}
    for key, row in params.datasets.items():
        if row.resplit:
            continue
        own = [finished for finished in cells if finished.cell.dataset == key]
        for subset in SUBSETS:
            issues, about = estimate_label_noise([one.answers(subset)[0] for one in own])
            place = {"dataset": row.name, "protocol": row.protocol, "subset": subset}
            tables.append(issues.assign(**place)[[*_PLACE, *_ISSUE]])
            summary.setdefault(key, {})[subset] = about
    found = [table for table in tables if len(table)] or tables[:1]
    return Noise(pd.concat(found, ignore_index=True), summary)
