"""`ferbench doctor`: what of the machine and the checkout is fit for a study."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_doctor"]

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def add_doctor(commands: Any) -> None:
    """Add `doctor` to the commands."""
    parser = commands.add_parser("doctor", help="check machine, packages, data and tracking")
    parser.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    from itertools import chain

    from rich.console import Console
    from rich.text import Text

    from ferbench.cli.doctor import machine_checks, project_checks

    console = Console(soft_wrap=True, highlight=False)
    states = set()
    for check in chain(machine_checks(), project_checks()):
        states.add(check.state)
        mark = Text(f"{check.state:5}", style=COLOURS[check.state])
        console.print(mark + Text(f"{check.name:14} {check.found}", style="default"))
        if check.remedy:
            console.print(Text(f"     remedy: {check.remedy}"))
    return 1 if "fail" in states else 0
