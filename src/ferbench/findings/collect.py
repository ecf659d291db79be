"""All findings, measured one after another."""

from __future__ import annotations

from ferbench.findings.result import Finding
from ferbench.plugins import load, names

__all__ = ["measure_findings"]

_PACKAGE = "ferbench.findings.papers"


def measure_findings() -> list[Finding]:
    """Every finding, by name."""
    return [load(_PACKAGE, name)() for name in names(_PACKAGE)]
