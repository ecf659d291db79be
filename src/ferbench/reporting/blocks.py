"""What a report is made of: blocks of text, charts, tables and pictures, nested in one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ferbench.reporting.charts import Chart
from ferbench.reporting.numbers import NOTHING, count, decimal, p_value, percent, points

__all__ = [
    "Block",
    "Picture",
    "Table",
    "Value",
    "difference",
    "number",
    "probability",
    "real",
    "share",
    "word",
]

# A browser lays out no more rows without a wait.
_SHOWN_ROWS = 1000


class Value(NamedTuple):
    """A table's entry: the text that people read, and the raw value that sorts and is stored."""

    text: str
    raw: Any

    @property
    def is_number(self) -> bool:
        """Whether it is right-aligned and sorted by size."""
        return isinstance(self.raw, int | float)


def word(text: str) -> Value:
    """An entry of text.

    >>> word("ivsa")
    Value(text='ivsa', raw='ivsa')
    """
    return Value(text, text)


def share(fraction: float | None) -> Value:
    """A fraction, shown in per cent; a dash for None.

    >>> share(0.5).text, share(None).text
    ('50.0', '–')
    """
    return Value(percent(fraction), float("nan") if fraction is None else fraction)


def difference(of: float) -> Value:
    """A difference of fractions, shown in percentage points."""
    return Value(points(of), of)


def probability(p: float) -> Value:
    """A p-value."""
    return Value(p_value(p), p)


def real(value: float | None, digits: int) -> Value:
    """A number with so many decimals; a dash for None."""
    return Value(decimal(value, digits), float("nan") if value is None else value)


def number(whole: float | None) -> Value:
    """A count; a dash for None and NaN.

    >>> number(1534).text, number(float("nan")).text
    ('1,534', '–')
    """
    if whole is None or isnan(whole):
        return Value(NOTHING, float("nan"))
    return Value(count(whole), int(whole))


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Args:
        name: of its file in `tables/`, without `.csv`; empty on pages that stand alone.
        rows: entries by column heading, the same headings in every row. The page shows the first
            thousand, the file all.
        notes: number of reference rows at the end, which are not sorted with the others.
        folded: shown on demand only.
        title: what it shows; read aloud, and the summary of a folded table.
    """

    name: str
    rows: Sequence[Mapping[str, Value]]
    notes: int = 0
    folded: bool = False
    title: str = ""

    @property
    def columns(self) -> list[str]:
        """The column headings."""
        return list(self.rows[0]) if self.rows else []

    @cached_property
    def numeric(self) -> frozenset[str]:
        """The columns whose entries, except those of reference rows, are all numbers."""
        rows = self.rows[: len(self.rows) - self.notes]
        return frozenset(name for name in self.columns if all(row[name].is_number for row in rows))

    @property
    def shown(self) -> Sequence[Mapping[str, Value]]:
        """The rows on the page: all of them, or the first of a long table that has a file."""
        fits = not self.name or len(self.rows) <= _SHOWN_ROWS
        return self.rows if fits else self.rows[:_SHOWN_ROWS]

    @property
    def frame(self) -> pd.DataFrame:
        """The raw values."""
        frame = pd.DataFrame([{k: v.raw for k, v in row.items()} for row in self.rows])
        for name in self.columns:
            raws = [row[name].raw for row in self.rows]
            if {type(raw) for raw in raws} == {int, float}:
                # Otherwise pandas makes floats of all, which lose digits of a large count.
                frame[name] = pd.Series(raws, dtype=object)
        return frame


@dataclass(frozen=True)
class Picture:
    """A PNG that a stage wrote.

    Args:
        path: where it is.
        name: of its copy.
        key: data set row.
        variant: whose explanation it is; empty for a sample of the data.
        title: in a few words.
        caption: what it shows.
        synthetic: the faces are rendered, so the picture may be published.
        width: in pixels.
        height: in pixels.
    """

    path: Path
    name: str
    key: str
    variant: str
    title: str
    caption: str
    synthetic: bool
    width: int
    height: int

    @property
    def alt(self) -> str:
        """Alternative text."""
        return f"{self.title}{f' of {self.variant}' if self.variant else ''} on {self.key}"


@dataclass(frozen=True)
class Block:
    """A section of the report, a card of a section, or a part of a card.

    Empty fields show nothing, so a block names only what it has. They are shown in this order.

    Args:
        title: heading.
        tags: labels beside the title.
        alert: one more label, which warns.
        answers: questions and their answers in one or two sentences, highlighted.
        words: paragraphs; `code` stands between backquotes.
        counts: names and numbers, in a column beside the charts.
        charts: full-width charts.
        panels: small charts, side by side.
        tables: each with a link to its CSV; empty ones are left out.
        pictures: of synthetic faces.
        note: small print on what is above.
        about: terms and their explanation, in small print.
        links: address and text of further files.
        parts: blocks one level below.
        folded: shown on demand only.
    """

    title: str = ""
    tags: Sequence[str] = ()
    alert: str = ""
    answers: Sequence[tuple[str, str]] = ()
    words: Sequence[str] = ()
    counts: Sequence[tuple[str, str]] = ()
    charts: Sequence[Chart] = ()
    panels: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    note: str = ""
    about: Sequence[tuple[str, str]] = ()
    links: Sequence[tuple[str, str]] = ()
    parts: Sequence[Block] = ()
    folded: bool = False

    @property
    def is_container(self) -> bool:
        """Whether all but the title and an introduction is in the parts."""
        own = (self.answers, self.counts, self.charts, self.panels, self.tables, self.pictures)
        return bool(self.parts) and not any(own)

    def walk(self) -> Iterator[Block]:
        """This block and all below it, in the order of the page."""
        yield self
        for part in self.parts:
            yield from part.walk()
