"""How a row of `claims.csv` is written: its verdict, its amounts, and their bounds."""

from __future__ import annotations

from ferbench.artifacts.claims import ClaimRow
from ferbench.config.claims import COSTS
from ferbench.reporting.numbers import decimal, points

__all__ = ["amount", "bounds", "is_ratio", "is_undecided"]


def is_undecided(row: ClaimRow) -> bool:
    """Whether the row decides nothing, for whatever reason."""
    return row.direction.startswith("undecided")


def is_ratio(row: ClaimRow) -> bool:
    """Whether A and B are compared by A / B, of a cost, and not by A minus B."""
    return row.metric in COSTS


def amount(row: ClaimRow, value: float) -> str:
    """A difference in percentage points, or a ratio."""
    return decimal(value, 2) if is_ratio(row) else points(value)


def bounds(row: ClaimRow) -> str:
    """Of the 95 % interval, as `amount` writes them."""
    return f"{amount(row, row.low)} to {amount(row, row.high)}"
