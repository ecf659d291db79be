"""The rows of a detector's table, and the same rows with some of them taken out."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["Row", "rows_without"]

# from, repeats, module, args
Row = list[Any]


def rows_without(rows: list[Row], word: str) -> list[Row]:
    """The rows whose module is not `word`, with every reference renumbered.

    What read a row that is gone reads what that row read.
    """
    stands_for: list[int] = []  # old index -> new index of the row that gives the same map
    kept = 0
    for i, (source, _, module, _) in enumerate(rows):
        if module == word:
            stands_for.append(stands_for[i - 1 if source == -1 else source])
        else:
            stands_for.append(kept)
            kept += 1
    return [
        [_renumber(row[0], i, stands_for), *copy.deepcopy(row[1:])]
        for i, row in enumerate(rows)
        if row[2] != word
    ]


def _renumber(source: int | list[int], row: int, stands_for: list[int]) -> int | list[int]:
    """New index of what `row` reads; -1 stays -1 where the row above still stands above."""
    if isinstance(source, list):
        return [_absolute(s, row, stands_for) for s in source]
    new = _absolute(source, row, stands_for)
    return -1 if new == stands_for[row] - 1 else new


def _absolute(source: int, row: int, stands_for: list[int]) -> int:
    # -1 on the first row is the image itself.
    return -1 if row + source < 0 else stands_for[row + source if source < 0 else source]
