"""`ferbench variants`: sizes of the catalogue's variants, or of the active study's.

A size is computed once and kept; it is computed again when the row, its recipe, the code of
`ferbench.models` or a library that networks come from is another.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import ferbench
from ferbench.config.catalogue import Catalogue
from ferbench.config.params import Recipe, Variant, load_params
from ferbench.config.records import build_record
from ferbench.errors import InputError, unknown
from ferbench.files import digest, read_json, sha256_file, write_json
from ferbench.reporting.printed import printed_size

__all__ = ["add_variants"]

Row = tuple[Variant, Recipe]

SIZES = ("task", "params_train", "params_deployed", "gflops", "input_px")
COLUMNS = ("variant", "paper", *SIZES, "paper_params_m", "paper_gflops")
WIDTH = 140  # of the table with the longest names
# Sizes that the papers print have other names in `printed.yaml`.
PRINTED = {"paper_params_m": "params_m", "paper_gflops": "gflops"}
KEPT = Path(".cache/variants")
_LIBRARIES = ("torch", "torchvision", "ultralytics")


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
    rows = _study_rows() if args.study else _catalogue_rows()
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
    """The columns of every row; of one that cannot be built, its name and paper alone."""
    from tqdm import tqdm

    # Not shown where the standard error is no terminal.
    for name, row in tqdm(rows.items(), desc="variants", unit="row", leave=False, disable=None):
        known: dict[str, Any] = {"variant": name, "paper": row[0].paper}
        try:
            known |= _size(name, *row)
        except InputError as error:
            faults.append(f"no size of {name}: {error}")
        known |= {column: printed_size(name, key) for column, key in PRINTED.items()}
        yield [_text(known.get(column)) for column in COLUMNS]


def _text(value: Any) -> str:
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


def _catalogue_rows() -> dict[str, Row]:
    """Every row of the catalogue with its family's `paper` recipe.

    Raises:
        InputError: there is no catalogue, or a row of it is not whole.
    """
    catalogue = Catalogue(Path("params.yaml"))
    rows = {}
    for name, row in catalogue.variants.items():
        where = f"studies/catalogue/variants.yaml: {name}"
        variant = build_record(Variant, row, where)
        recipe = f"{variant.recipe}_paper"
        if recipe not in catalogue.recipes:
            raise InputError(
                f"no recipe {recipe}", where=where, remedy="write it in recipes.yaml beside it"
            )
        rows[name] = variant, build_record(Recipe, catalogue.recipes[recipe], recipe)
    return rows


def _study_rows() -> dict[str, Row]:
    """Every row of the active study with its recipe."""
    params = load_params()
    return {name: (row, params.recipe_of(name)) for name, row in params.variants.items()}


def _size(name: str, variant: Variant, recipe: Recipe) -> dict[str, Any]:
    """Task, parameters, GFLOPs and input of a row, kept in `.cache/variants`.

    Raises:
        InputError: a word of the row is unknown, or its parts do not fit.
    """
    key = digest([asdict(variant), asdict(recipe), _code()])[:32]
    path = KEPT / f"{key}.json"
    if not path.is_file():
        from ferbench.models.describe import describe

        text = describe(name, variant, recipe)
        write_json(path, {key: text[key] for key in SIZES})
    known: dict[str, Any] = read_json(path)
    return known


@cache
def _code() -> str:
    """A digest of all that networks are made of."""
    folder = Path(ferbench.__file__).parent / "models"
    files = {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*.py"))}
    return digest([files, [importlib.metadata.version(name) for name in _LIBRARIES]])
