"""What every finding gives back."""

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
    """A claim about a paper or its released code, and whether the measurement bears it out.

    Args:
        name: of its file.
        paper: and the place in it, such as `P2, table 8`.
        claim: what is said to be so.
        measured: numbers by what they are.
        holds: whether every check passed.
        verdict: what came out, in one sentence.
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
    """The finding of a claim; it holds if all checks do, and says which do not.

    Args:
        name: of its file.
        paper: and the place in it.
        claim: what is said to be so.
        measured: numbers by what they are; floats are kept to four digits, whole numbers whole.
        checks: whether it is so, by a clause that says what should be so.
        verdict: the sentence if the claim holds.
        ours: what this project does instead.

    >>> parts = {"measured": {"sum": 2 / 3}, "verdict": "They add up.", "ours": "Nothing."}
    >>> judged("sums", "P9", "Sums add up.", checks={"1 and 1 make 2": True}, **parts).verdict
    'They add up.'
    >>> judged("sums", "P9", "Sums add up.", checks={"1 and 1 make 3": False}, **parts).verdict
    'Does not hold here; this is not so: 1 and 1 make 3.'
    """
    failed = [clause for clause, passed in checks.items() if not passed]
    if failed:
        verdict = f"Does not hold here; this is not so: {'; '.join(failed)}."
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
    """The findings of a file that the stage `findings` wrote.

    Raises:
        InputError: the file is of another form.
    """
    rows: Any = read_json(path)
    try:
        return tuple(Finding(**row) for row in rows)
    except TypeError as error:
        raise InputError(
            "is no list of findings", where=path, remedy="make it again: `dvc repro findings`"
        ) from error


def _rounded(number: float) -> float:
    """A float to the digits that are the same on every machine."""
    return number if isinstance(number, int) else float(f"{number:.{_DIGITS}g}")
