"""`ferbench findings`: measure again what is wrong or inconsistent in the papers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ferbench.findings.result import Finding

__all__ = ["add_findings"]


def add_findings(commands: Any) -> None:
    """Add `findings` to the commands."""
    parser = commands.add_parser(
        "findings", help="measure inconsistencies of the papers and their released code"
    )
    parser.add_argument("--json", action="store_true", help="with every measured number, as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.findings.papers import measure_findings

    findings = measure_findings()
    if args.json:
        print(json.dumps([asdict(f) for f in findings], indent=2, ensure_ascii=False))
    else:
        _print_table(findings)
    return 0 if all(finding.holds for finding in findings) else 1


def _print_table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_lines=True)
    table.add_column("finding", no_wrap=True)
    table.add_column("holds")
    table.add_column("verdict")
    for finding in findings:
        table.add_row(finding.name, "yes" if finding.holds else "no", finding.verdict)
    Console().print(table)
