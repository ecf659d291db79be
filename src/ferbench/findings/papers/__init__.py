"""The findings, one file per paper; the file of a single finding has its name.

A finding takes no arguments, measures, and returns a `ferbench.findings.result.Finding`: the same
one every time, within seconds on one core.
"""

from __future__ import annotations

from ferbench.findings.result import Finding
from ferbench.plugins import load, names

__all__ = ["measure_findings"]

_PACKAGE = "ferbench.findings.papers"


def measure_findings() -> list[Finding]:
    """Measure every finding, in the order of their names."""
    return [load(_PACKAGE, name)() for name in names(_PACKAGE)]
