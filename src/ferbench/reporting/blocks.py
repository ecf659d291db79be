"""What a report is made of: tables, charts and words about one question, in one block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple

import pandas as pd

from ferbench.reporting.drawing import Chart
from ferbench.reporting.numbers import NOTHING, count, percent, points
from ferbench.reporting.pictures import Picture

__all__ = ["Block", "Table", "Value", "difference", "number", "share", "word"]


class Value(NamedTuple):
    """A cell: what people read, and what sorts and is stored."""

    text: str
    raw: Any

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right and sorted by size."""
        return isinstance(self.raw, int | float)


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Args:
        name: of its file in `tables/`, without `.csv`.
        rows: cells by column heading, the same headings in every row.
        notes: how many rows at the end are reference values, not entries.
        folded: it is long, and shown on demand.
        title: what it shows, where its block has several.
    """

    name: str
    rows: tuple[Mapping[str, Value], ...]
    notes: int = 0
    folded: bool = False
    title: str = ""

    @property
    def columns(self) -> list[str]:
        """The column headings."""
        return list(self.rows[0]) if self.rows else []

    def is_numeric(self, column: str) -> bool:
        """Whether a column is set to the right and sorted by size: all its entries are numbers."""
        return all(row[column].is_number for row in self.rows[: len(self.rows) - self.notes])

    @property
    def frame(self) -> pd.DataFrame:
        """The raw values."""
        frame = pd.DataFrame([{k: v.raw for k, v in row.items()} for row in self.rows])
        for name in self.columns:
            raws = [row[name].raw for row in self.rows]
            if {type(raw) for raw in raws} == {int, float}:
                # Else pandas makes floats of all, which lose digits of a large count.
                frame[name] = pd.Series(raws, dtype=object)
        return frame


@dataclass(frozen=True)
class Block:
    """One question with its answer in words, charts, tables and pictures.

    Args:
        title: the question's name.
        words: paragraphs before the charts.
        charts: drawings.
        small: the charts stand side by side.
        tables: each followed by its CSV.
        pictures: of drawn faces.
        note: small print at the end.
    """

    title: str
    words: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    small: bool = False
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    note: str = ""


def word(text: str) -> Value:
    """A cell of text.

    >>> word("ivsa")
    Value(text='ivsa', raw='ivsa')
    """
    return Value(text, text)


def share(fraction: float | None) -> Value:
    """A cell that says a fraction in per cent; a dash for None.

    >>> share(0.5).text, share(None).text
    ('50.0', '–')
    """
    return Value(percent(fraction), float("nan") if fraction is None else fraction)


def difference(of: float) -> Value:
    """A cell that says a difference of fractions in percentage points."""
    return Value(points(of), of)


def number(whole: float | None) -> Value:
    """A cell of a count; a dash for None and NaN.

    >>> number(1534).text, number(float("nan")).text
    ('1,534', '–')
    """
    if whole is None or isnan(whole):
        return Value(NOTHING, float("nan"))
    return Value(count(whole), int(whole))
