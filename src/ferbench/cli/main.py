"""The command `ferbench`: one file of `ferbench.cli.commands` per command.

A command module offers one function that adds its parser and sets the function to call as the
parser's default `run`. Heavy imports are inside that function: `ferbench --help` is quick.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import ferbench
from ferbench import plugins
from ferbench.cli.stage import status_of

__all__ = ["build_parser", "main"]


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line, with every command."""
    parser = argparse.ArgumentParser(
        prog="ferbench",
        description="Train, evaluate and compare facial-expression-recognition models.",
        epilog="Run it in the project's folder; `audit` and `judge` work in any.",
    )
    parser.add_argument("--version", action="version", version=f"ferbench {ferbench.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in plugins.names("ferbench.cli.commands"):
        plugins.load("ferbench.cli.commands", name)(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 success, 1 failure, 2 bad input, 130 Ctrl-C.

    141 is what shells report if whoever reads the output has stopped.
    """
    args = build_parser().parse_args(argv)
    try:
        status = status_of(lambda: args.run(args))
        sys.stdout.flush()
    except BrokenPipeError:  # as in `ferbench study list | head -1`
        # What is left is dropped without another error at the end of the interpreter.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return status
