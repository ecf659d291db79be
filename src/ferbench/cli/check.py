"""One thing that `ferbench doctor` has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """What was found.

    Args:
        state: `ok`, `warn` (works, but not as it could) or `fail` (something will not work).
        name: what was looked at.
        found: what it is like.
        remedy: what the user can do, if it is not well.
    """

    state: Literal["ok", "warn", "fail"]
    name: str
    found: str
    remedy: str = ""
