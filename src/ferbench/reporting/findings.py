"""What the papers have at odds, as tables of the report."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.findings.result import Finding
from ferbench.reporting.blocks import Table, Value
from ferbench.reporting.numbers import count

__all__ = ["findings_table", "measured_table"]


def findings_table(findings: Sequence[Finding]) -> Table:
    """Every finding with its verdict, those that do not hold first."""
    rows = [
        {
            "finding": _word(finding.name),
            "where": _word(finding.paper),
            "claim": _word(finding.claim),
            "holds": _word("yes" if finding.holds else "no"),
            "verdict": _word(finding.verdict),
            "ours": _word(finding.ours),
        }
        for finding in sorted(findings, key=lambda finding: finding.holds)
    ]
    return Table("findings", tuple(rows))


def measured_table(findings: Sequence[Finding]) -> Table:
    """Every number that a finding measured."""
    rows = [
        {"finding": _word(finding.name), "measured": _word(what), "value": _number(number)}
        for finding in findings
        for what, number in finding.measured.items()
    ]
    return Table("findings_measured", tuple(rows))


def _word(text: str) -> Value:
    return Value(text, text)


def _number(number: float) -> Value:
    return Value(count(number) if isinstance(number, int) else f"{number:g}", number)
