"""`ferbench export`: a finished run as a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ferbench.errors import InputError

__all__ = ["add_export"]


def add_export(commands: Any) -> None:
    """Add `export` to the commands."""
    parser = commands.add_parser(
        "export",
        help="export a finished run as a model folder",
        description="Write weights, description, card and ONNX files of a run into a folder that "
        "`ferbench predict --model FOLDER` uses on any machine.",
    )
    parser.add_argument(
        "run_folder", type=Path, metavar="RUN", help="runs/<study>/<variant>/<dataset>/<seed>"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="must not exist")
    parser.add_argument("--no-onnx", action="store_true", help="weights alone; needs no data")
    parser.add_argument(
        "--score-threshold",
        type=float,
        metavar="S",
        help="least score of a detector's box that is a face (default: the active study's)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.config.params import load_params
    from ferbench.serving.export import export_run

    if args.to.exists():
        raise InputError(
            "exists already; nothing is overwritten", where=args.to, remedy="name another folder"
        )
    threshold = args.score_threshold
    if threshold is None:
        threshold = load_params().score.score_threshold
    record = export_run(args.run_folder, args.to, threshold, onnx=not args.no_onnx)
    size = sum(path.stat().st_size for path in args.to.iterdir()) / 2**20
    print(f"{args.to}: {record.name}, {size:.1f} MiB, accuracy {record.metrics['accuracy']:.4f}")
    for name, found in record.exports.items():
        print(f"  {name}: accuracy on val {found['accuracy']:.4f}")
    return 0
