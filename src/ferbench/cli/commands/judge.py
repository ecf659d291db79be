"""`ferbench judge`: scores, leaks, baselines and tests of predictions that any code made."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import InputError, unknown

if TYPE_CHECKING:
    from ferbench.external.truth import Truth

__all__ = ["add_judge"]

_DESCRIPTION = """\
Judge files of predictions (CSV or parquet): a row per test image, named by image_id, md5 or path,
and a column of probabilities per class. Several files are compared with each other; models and
seeds are taken from file names (resnet_seed3.csv) or columns `model` and `seed`. The data set is
the one of this checkout's data/, or --data. Writes judged.html and judged.json."""


def add_judge(commands: Any) -> None:
    """Add `judge` to the commands."""
    parser = commands.add_parser(
        "judge",
        help="scores, leaks, baselines and tests of predictions that any code made",
        description=_DESCRIPTION,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="of predictions")
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="of data/, or with --data of a source"
    )
    parser.add_argument("--data", type=Path, metavar="PATH", help="folder, list or archive of it")
    parser.add_argument("--protocol", metavar="NAME", help="of the split, with --data")
    parser.add_argument(
        "--split-seed", type=int, metavar="N", help="of the split, with --data (default: 0)"
    )
    parser.add_argument(
        "--pattern", metavar="REGEX", help="groups `model` and `seed` in file names"
    )
    parser.add_argument("--missing", action="store_true", help="faces without prediction are wrong")
    parser.add_argument("--write-split", type=Path, metavar="FILE", help="list images and splits")
    parser.add_argument("--json", action="store_true", help="print the numbers, write no files")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the two files (default: .)")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.external.outputs import Outputs

    if not args.files and not args.write_split:
        raise InputError("no file of predictions", remedy="name at least one")
    outputs = None
    if args.files and (args.out or not args.json):
        outputs = Outputs(args.out or Path(), "judged", force=args.force)
    if args.write_split:
        Outputs.refuse(args.write_split, force=args.force)
    truth = _truth(args)
    if args.write_split:
        truth.write_split(args.write_split)
    return _judged(args, truth, outputs) if args.files else 0


def _truth(args: argparse.Namespace) -> Truth:
    from ferbench.external.truth import truth_of_checkout, truth_of_data

    seed = 0 if args.split_seed is None else args.split_seed
    if seed < 0:
        raise InputError("must be at least 0", where="--split-seed", remedy="correct it")
    if args.data:
        return truth_of_data(args.data, args.dataset, args.protocol, seed)
    if args.protocol or args.split_seed is not None:
        raise InputError(
            "are of a split that is drawn here",
            where="--protocol and --split-seed",
            remedy="say by --data where the data set is; a checkout has its own split",
        )
    found = truth_of_checkout(args.dataset, Path())
    if found is None:
        known = [path.stem for path in sorted(Path("data/splits").glob("*.json"))]
        error = unknown("data set", args.dataset, known, where="data/splits")
        raise InputError(
            error.what,
            where=error.where,
            remedy=(f"{error.remedy}; or " if known else "")
            + "say by --data PATH where its folder or archive is",
        )
    return found


def _judged(args: argparse.Namespace, truth: Truth, outputs: Any) -> int:
    from ferbench.external.judge import judge
    from ferbench.external.judged_page import judged_page
    from ferbench.external.predictions import PATTERN, read_predictions_of
    from ferbench.external.rivals import find_rivals

    pattern = PATTERN if args.pattern is None else args.pattern
    read = [
        read_predictions_of(path, truth, pattern=pattern, missing=args.missing)
        for path in args.files
    ]
    runs = [run for _, found in read for run in found]
    report = judge(truth, [file for file, _ in read], runs, find_rivals(truth, Path()))
    if outputs:
        outputs.write(judged_page(report), report)
    if args.json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return 0
    _print(report)
    if outputs:
        print(f"{outputs.page} and {outputs.numbers} have the details")
    return 0


def _print(report: Mapping[str, Any]) -> None:
    from rich.console import Console

    from ferbench.external.judged_page import summary_words

    console = Console(highlight=False)
    test = report["test"]
    console.print(
        f"{report['dataset']}, {report['protocol']}: {test['faces']:,} test faces", markup=False
    )
    for question, answer in summary_words(report):
        console.print(f"{question}: {answer}", markup=False)
