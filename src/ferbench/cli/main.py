"""The command `ferbench`: one file of `ferbench.cli.commands` per command.

A command module offers one function that adds its parser and sets the function to call as the
parser's default `run`. Heavy imports are inside that function: `ferbench --help` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import ferbench
from ferbench import plugins
from ferbench.cli.stage import status_of

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferbench",
        description="Train, evaluate and compare facial-expression-recognition models.",
        epilog="Run it in the project's folder.",
    )
    parser.add_argument("--version", action="version", version=f"ferbench {ferbench.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in plugins.names("ferbench.cli.commands"):
        plugins.load("ferbench.cli.commands", name)(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 success, 1 failure, 2 bad input, 130 Ctrl-C."""
    args = _parser().parse_args(argv)
    return status_of(lambda: args.run(args))
