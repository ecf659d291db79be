"""The record of a finding, how it is decided, and how its file is read; knows no networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import InputError
from ferbench.files import read_json

__all__ = ["Finding", "judged", "read_findings"]

_DIGITS = 4


@dataclass(frozen=True)
class Finding:
    """A claim about a paper or its released code, and whether the measurement confirms it.

    Args:
        name: of its function.
        paper: and the place in it, such as `P2, table 8`.
        claim: one sentence.
        measured: numbers by description.
        holds: whether every check passed.
        verdict: the result in one sentence.
        ours: what this project does instead.
    """

    name: str
    paper: str
    claim: str
    measured: Mapping[str, float]
    holds: bool
    verdict: str
    ours: str


def judged(
    name: str,
    paper: str,
    claim: str,
    *,
    measured: Mapping[str, float],
    checks: Mapping[str, bool],
    verdict: str,
    ours: str,
) -> Finding:
    """Make a finding; it holds if all checks pass, otherwise its verdict lists the failed ones.

    Args:
        name: of its function.
        paper: and the place in it.
        claim: one sentence.
        measured: numbers by description; floats are rounded to four digits, integers kept.
        checks: whether each passed, by a clause that states the expectation.
        verdict: the sentence if the claim holds.
        ours: what this project does instead.

    >>> parts = {"measured": {"sum": 2 / 3}, "verdict": "They add up.", "ours": "Nothing."}
    >>> judged("sums", "P9", "Sums add up.", checks={"1 and 1 make 2": True}, **parts).verdict
    'They add up.'
    >>> judged("sums", "P9", "Sums add up.", checks={"1 and 1 make 3": False}, **parts).verdict
    'Does not hold here; failed: 1 and 1 make 3.'
    """
    failed = [clause for clause, passed in checks.items() if not passed]
    if failed:
        verdict = f"Does not hold here; failed: {'; '.join(failed)}."
    return Finding(
        name=name,
        paper=paper,
        claim=claim,
        measured={what: _rounded(number) for what, number in measured.items()},
        holds=not failed,
        verdict=verdict,
        ours=ours,
    )


def read_findings(path: Path) -> tuple[Finding, ...]:
    """Read the file that the stage `findings` writes.

    Raises:
        InputError: the file is no list of findings.
    """
    rows: Any = read_json(path)
    try:
        return tuple(Finding(**row) for row in rows)
    except TypeError as error:
        raise InputError(
            "is no list of findings", where=path, remedy="recreate it: `dvc repro findings`"
        ) from error


def _rounded(number: float) -> float:
    """A float rounded to four digits, which hardly differ between machines."""
    return number if isinstance(number, int) else float(f"{number:.{_DIGITS}g}")
