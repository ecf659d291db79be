"""How small a difference between two variants the study could have told."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isnan
from typing import Any

from ferbench.reporting.blocks import Block, Table, Value, number, share, word
from ferbench.reporting.numbers import decimal, percent
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import sample_words

__all__ = ["power_block", "power_words"]


def power_words(files: StudyFiles, key: str) -> tuple[str, ...]:
    """The smallest difference that the first test of the first metric could tell, in a sentence."""
    table, compare = files.table("power", key), files.params.compare
    if table.empty:
        return ()
    first = (table["metric"] == compare.metrics[0]) & (table["test"] == compare.tests[0])
    return tuple(_sentence(row) for row in table[first].to_dict("records"))


def _sentence(row: Mapping[Hashable, Any]) -> str:
    size, test = sample_words(int(row["n"]), row["test"]), str(row["test"]).replace("_", " ")
    if isnan(row["detectable"]):
        return f"With {size} nothing can be said of how small a difference would show."
    return (
        f"With {size} a difference below {percent(row['detectable'])} points of "
        f"{row['metric']} cannot be told ({test}, power {percent(row['power'], 0)} %)."
    )


def power_block(files: StudyFiles, key: str) -> Block | None:
    """The same of every metric and test, as a table; None if nothing was computed."""
    table = files.table("power", key)
    if table.empty:
        return None
    rows = [
        {
            "metric": word(str(row["metric"])),
            "test": word(str(row["test"])),
            "n": number(row["n"]),
            "standard deviation, points": share(row["spread"]),
            "smallest difference told, points": share(row["detectable"]),
            "power %": share(row["power"]),
            "significance": Value(decimal(row["alpha"], 3), row["alpha"]),
        }
        for row in table.to_dict("records")
    ]
    return Block(
        title="What was too small to see",
        words=(
            "A true difference as large as told below would be found with the power beside it; of "
            "a smaller one, “not significant” says nothing.",
        ),
        tables=(Table(f"power_{key}", tuple(rows)),),
    )
