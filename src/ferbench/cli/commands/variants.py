"""`ferbench variants`: sizes of the catalogue's variants, or of the active study's."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from typing import Any

from ferbench.cli.sizes import Row, catalogue_rows, sizes, study_rows
from ferbench.errors import InputError, unknown
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
WIDTH = 140  # of the table with the longest names
# What the papers print stands under other names in `printed.yaml`.
PRINTED = {"paper_params_m": "params_m", "paper_gflops": "gflops"}


def add_variants(commands: Any) -> None:
    """Add `variants` to the commands."""
    parser = commands.add_parser(
        "variants",
        help="table of variants with their sizes",
        description="Every row of the catalogue with its size at 7 classes and at the input of its "
        "paper's recipe, beside what the paper prints. The first time takes minutes.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these variants only")
    parser.add_argument("--study", action="store_true", help="the active study's rows and recipes")
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    rows = study_rows() if args.study else catalogue_rows()
    for name in args.names:
        if name not in rows:
            place = "params.yaml: variants" if args.study else "studies/catalogue/variants.yaml"
            raise unknown("variant", name, rows, where=place)
    chosen = {name: rows[name] for name in args.names or rows}
    faults: list[str] = []
    table = list(_table(chosen, faults))
    (_print_csv if args.csv else _print_table)(table)
    for fault in faults:
        print(fault, file=sys.stderr)
    # Rows that need a package which is not installed do not spoil the table of all rows.
    return 1 if faults and (args.names or len(faults) == len(table)) else 0


def _table(rows: dict[str, Row], faults: list[str]) -> Iterator[list[str]]:
    """The cells of every row; of one that cannot be built, its name and paper alone."""
    from tqdm import tqdm

    # Not shown where the standard error is no terminal.
    for name, row in tqdm(rows.items(), desc="variants", unit="row", leave=False, disable=None):
        known: dict[str, Any] = {"variant": name, "paper": row[0].paper}
        try:
            known |= sizes(name, *row)
        except InputError as error:
            faults.append(f"no size of {name}: {error}")
        known |= {column: printed_size(name, key) for column, key in PRINTED.items()}
        yield [_word(known.get(column)) for column in COLUMNS]


def _word(value: Any) -> str:
    return "" if value is None else str(value)


def _print_csv(rows: list[list[str]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *rows])


def _print_table(rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number < 3 else "right")
    for row in rows:
        table.add_row(*row)
    # A narrow terminal folds lines; a number cut short would be a wrong one.
    Console(width=max(Console().width, WIDTH)).print(table)
