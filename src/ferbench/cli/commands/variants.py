"""`ferbench variants`: sizes of the active study's variants."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from ferbench.errors import InputError
from ferbench.files import read_json
from ferbench.params import load_params
from ferbench.reporting.printed import printed_size

__all__ = ["add_variants"]

COLUMNS = (
    "variant",
    "paper",
    "task",
    "params_train",
    "params_deployed",
    "gflops",
    "input_px",
    "paper_params_m",
    "paper_gflops",
)
# What the papers print stands under other names in `printed.yaml`.
PRINTED = {"paper_params_m": "params_m", "paper_gflops": "gflops"}


def add_variants(commands: Any) -> None:
    """Add `variants` to the commands."""
    parser = commands.add_parser("variants", help="table of variants with their sizes")
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    params = load_params()
    folder = Path("reports", params.study.name, "variants")
    present = [name for name in params.variants if (folder / f"{name}.json").is_file()]
    if not present:
        raise InputError(
            "no variant is described yet",
            where=folder,
            remedy="`make repro` describes them before it trains",
        )
    if missing := [name for name in params.variants if name not in present]:
        print(f"not described yet: {', '.join(missing)}", file=sys.stderr)
    descriptions = [read_json(folder / f"{name}.json") for name in present]
    printed = [{c: printed_size(name, key) for c, key in PRINTED.items()} for name in present]
    rows = [
        [_word((text | sizes).get(column)) for column in COLUMNS]
        for text, sizes in zip(descriptions, printed, strict=True)
    ]
    (_print_csv if args.csv else _print_table)(rows)
    return 0


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def _print_csv(rows: list[list[str]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *rows])


def _print_table(rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number < 3 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
