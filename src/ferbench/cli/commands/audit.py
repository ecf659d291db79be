"""`ferbench audit`: duplicates, conflicts, leaks and naive baselines of any data set."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferbench.errors import InputError

__all__ = ["add_audit"]

FINDINGS = 3  # exit status; 1 is a crash of Python, and 2 bad input
_DESCRIPTION = """\
Audit a data set: a folder per class (also below train, val, test), a list (CSV with columns path,
label and, if known, split, person, sequence), a YOLO export, FER2013's table, the published form of
a data set that ferbench knows, or a zip or tar archive of one of these. Nothing is written into it.
Writes audited.html and audited.json. Exit status: 0 clean, 3 findings, 2 bad input."""


def add_audit(commands: Any) -> None:
    """Add `audit` to the commands."""
    parser = commands.add_parser(
        "audit",
        help="duplicates, label conflicts, leaks and naive baselines of any data set",
        description=_DESCRIPTION,
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="a folder, CSV file or archive")
    parser.add_argument("--json", action="store_true", help="print the numbers, write no files")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the two files (default: .)")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="CHECK=NUMBER",
        help="so many findings are clean, such as near=20 or duplicates=1%%; repeatable",
    )
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="WORD=EMOTION",
        help="what a class word of your own stands for; repeatable",
    )
    parser.add_argument(
        "--person-pattern",
        metavar="REGEX",
        help="one group matches the person in names of files, such as '^(s[0-9]+)_'",
    )
    parser.add_argument("--source", metavar="NAME", help="which data set it is, if not recognised")
    parser.add_argument("--near-bits", type=int, default=4, metavar="N", help="of 64 (default: 4)")
    parser.add_argument("--flat-deviation", type=float, default=4.0, metavar="X", help="default: 4")
    parser.add_argument("--min-side", type=int, default=16, metavar="PX", help="default: 16")
    parser.add_argument("--no-baselines", action="store_true", help="skip the slowest part")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.external.audit import audit_data
    from ferbench.external.audit_page import audit_page
    from ferbench.external.opening import Form, open_data
    from ferbench.external.outputs import Outputs

    rules = _rules(args)
    form = Form(args.source, _pairs(args.rename, "--rename"), args.person_pattern)
    outputs = None
    if args.out or not args.json:
        outputs = Outputs(args.out or Path(), "audited", force=args.force)
    with open_data(args.path, form) as opened:
        report = {"data": str(args.path), **audit_data(opened, rules)}
    if outputs:
        outputs.write(audit_page(args.path.resolve().name, report), report)
    if args.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print_checks(report)
    if outputs and not args.json:
        print(f"{outputs.page} and {outputs.numbers} have the details")
    return 0 if report["passed"] else FINDINGS


def _rules(args: argparse.Namespace) -> Any:
    from ferbench.config.params import Audit
    from ferbench.config.records import build_record
    from ferbench.external.audit import Rules

    thresholds = {"near_bits": args.near_bits, "flat_deviation": args.flat_deviation}
    if args.min_side < 1:
        raise InputError("must be at least 1", where="--min-side", remedy="correct it")
    return Rules(
        audit=build_record(Audit, thresholds, "options"),
        min_side_px=args.min_side,
        allowed={
            check: _allowance(value, f"--allow {check}={value}")
            for check, value in _pairs(args.allow, "--allow").items()
        },
        baselines=not args.no_baselines,
    )


def _pairs(options: Sequence[str], name: str) -> dict[str, str]:
    """The values of a repeatable option KEY=VALUE by key."""
    found = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not (equals and key and value):
            raise InputError(f"no `=` between two words in {option!r}", where=name, remedy="add it")
        found[key] = value
    return found


def _allowance(text: str, where: str) -> Any:
    from ferbench.external.audit import Allowance

    is_share = text.endswith("%")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise InputError(
            f"not a number from 0: {text!r}", where=where, remedy="write a number or per cent"
        )
    return Allowance(number / 100 if is_share else number, is_share)


def _print_checks(report: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from ferbench.external.audit_page import result_words

    table = Table("check", "what", "found", "of", "allowed", "", title_justify="left")
    for check in report["checks"]:
        tested = check["found"] is not None
        numbers = (f"{check[key]:,}" if tested else "–" for key in ("found", "of"))
        result = ("passes" if check["passed"] else "fails") if tested else "not checked"
        table.add_row(check["check"], check["what"], *numbers, check["allowed"], result)
    console = Console(highlight=False)
    console.print(f"{report['title']}: {report['counts']['images']:,} images", markup=False)
    console.print(table)
    for one in report["baselines"]:
        if one["test"]:
            accuracy = one["test"]["nearest_neighbour"]
            majority = one["test"]["majority_class"]
            console.print(
                f"split {one['split']}: nearest neighbour {accuracy:.1%}, majority class "
                f"{majority:.1%} of {one['test']['faces']:,} test faces"
            )
    console.print(result_words(report), markup=False)
