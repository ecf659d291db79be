"""The papers' printed values that studies have measured, read back from their `papers.csv`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from ferbench.errors import InputError
from ferbench.reporting.measured import is_fraction
from ferbench.reporting.numbers import (
    NOTHING,
    count,
    decimal,
    interval,
    metric_words,
    percent,
    points,
)
from ferbench.stats.single_values import VERDICTS

__all__ = ["JudgedValue", "judged_values"]

_JUDGED = VERDICTS[:3]
# What the paper leaves out is long, and the same for all of its rows: the report lists it.
_UNSTATED = "not stated by the paper"


@dataclass(frozen=True)
class JudgedValue:
    """A printed value beside ours: a row of `papers.csv` with a verdict about its reproduction.

    Args:
        study: its name; the other fields are columns of the file (`ferbench.reporting.papers`).
    """

    study: str
    paper: str
    table: str
    row: str
    dataset: str
    kind: str
    metric: str
    printed: float
    mean: float
    low: float
    high: float
    n: int
    difference: float
    difference_low: float
    difference_high: float
    verdict: str
    reason: str

    @property
    def cells(self) -> list[str]:
        """Of a line of a table: where it is printed, what it is, both values, and the verdict."""
        scored = is_fraction(self.kind, self.metric)
        return [
            f"{self.paper}-{self.table}: {self.row}",
            metric_words(self.metric),
            self.dataset if scored else NOTHING,
            percent(self.printed) if scored else decimal(self.printed, 2),
            percent(self.mean) if scored else decimal(self.mean, 2),
            interval(self.low, self.high),
            count(self.n) if scored else NOTHING,
            points(self.difference) if scored else decimal(self.difference, 2),
            self._prediction if scored else NOTHING,
            self.verdict,
            self._conditions if scored else NOTHING,
        ]

    @property
    def _prediction(self) -> str:
        return f"{points(self.difference_low)} to {points(self.difference_high)}"

    @property
    def _conditions(self) -> str:
        parts = self.reason.split("; ")
        return "; ".join(part for part in parts if not part.startswith(_UNSTATED)) or NOTHING


_COLUMNS = [field.name for field in fields(JudgedValue) if field.name != "study"]
_TEXTS = [field.name for field in fields(JudgedValue) if field.type == "str"]


def judged_values(reports: Path, studies: Collection[str]) -> list[JudgedValue]:
    """Values that are reproduced, not reproduced or undecided, in this order.

    Args:
        reports: the folder of all reports.
        studies: names of those that count; without a `papers.csv`, or with an empty one, a study
            has measured none.

    Raises:
        InputError: a file lacks a column.
    """
    found = []
    for study in sorted(studies):
        path = reports / study / "papers.csv"
        if not path.is_file():
            continue
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, "str"))
        if missing := [name for name in _COLUMNS if name not in table]:
            raise InputError(
                f"has no column {', '.join(missing)}", where=path, remedy="`dvc repro report`"
            )
        rows = table[table["verdict"].isin(_JUDGED)].fillna(dict.fromkeys(_TEXTS, ""))
        found += [
            JudgedValue(study, **{str(name): value for name, value in record.items()})
            for record in rows[_COLUMNS].to_dict("records")
        ]
    return sorted(found, key=lambda value: _JUDGED.index(value.verdict))
