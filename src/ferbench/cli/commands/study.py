"""`ferbench study list|new|use|status|publish|withdraw|pages`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from ferbench.cli import lock, studies
from ferbench.cli.arguments import whole_number
from ferbench.cli.cluster import counts_elsewhere
from ferbench.cli.stage_times import read_stage_times, trainings
from ferbench.config.params import load_params
from ferbench.config.runs import all_runs
from ferbench.errors import InputError

__all__ = ["add_study"]


def add_study(commands: Any) -> None:
    """Add `study` to the commands."""
    parser = commands.add_parser("study", help="list the studies, switch to one, show its state")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="list all studies").set_defaults(run=_list)
    use = actions.add_parser("use", help="switch to a study: write it to params.yaml")
    use.add_argument("name", metavar="NAME")
    use.set_defaults(run=_use)
    new = actions.add_parser("new", help="write the file of a study of your own data")
    new.add_argument("name", metavar="NAME")
    new.add_argument("--data", metavar="PATH", type=Path, required=True, help="folder or archive")
    new.add_argument(
        "--variants",
        metavar="ROW",
        nargs="+",
        required=True,
        help="rows of `ferbench variants`; the first is the control of the others",
    )
    new.add_argument(
        "--source",
        metavar="FORM",
        default="folder",
        help="form of the data: a source such as folder (one folder per class, the default), "
        "yolo_export, fer2013, ckplus",
    )
    new.add_argument(
        "--protocol",
        metavar="NAME",
        default="stratified_70_10_20",
        help="of the split; person_70_10_20 where persons are known (default: by image, 70/10/20)",
    )
    new.add_argument(
        "--seeds", metavar="N", type=whole_number(1, 1000), default=3, help="runs of each variant"
    )
    new.add_argument(
        "--recipes", choices=("paper", "cpu"), default="cpu", help="the papers', or short ones"
    )
    new.set_defaults(run=_new)
    actions.add_parser("status", help="show the active study").set_defaults(run=_status)
    publish = actions.add_parser("publish", help="put the active study's report under git")
    publish.add_argument("name", metavar="NAME")
    publish.set_defaults(run=_publish)
    withdraw = actions.add_parser("withdraw", help="mark a study's published numbers as withdrawn")
    withdraw.add_argument("name", metavar="NAME")
    how = withdraw.add_mutually_exclusive_group(required=True)
    how.add_argument("--before", metavar="COMMIT", help="the commit of the fix that its runs lack")
    how.add_argument("--undo", action="store_true", help="publish the numbers again")
    withdraw.add_argument("--reason", metavar="TEXT", help="what was wrong, in one sentence")
    withdraw.set_defaults(run=_withdraw)
    pages = actions.add_parser("pages", help="render the pages of all studies again")
    pages.set_defaults(run=_pages)


def _list(_: argparse.Namespace) -> int:
    active = studies.active_name()
    for name in studies.known():
        mark = "*" if name == active else " "
        print(f"{mark} {name:24} {studies.load_study(name).study.title}")
    return 0


def _new(args: argparse.Namespace) -> int:
    outline = studies.Outline(
        name=args.name,
        source=args.source,
        data=args.data,
        protocol=args.protocol,
        variants=tuple(args.variants),
        seeds=args.seeds,
        recipes=args.recipes,
    )
    path = studies.create(outline)
    print(f"{path}: {len(args.variants)} variants, {args.seeds} seeds")
    print(f"  run it with: make repro STUDY={args.name}")
    return 0


def _use(args: argparse.Namespace) -> int:
    with lock.exclusive():
        lock.refuse_other_dvc()
        show(args.name, studies.use(args.name))
    return 0


def show(name: str, switch: studies.Switch) -> None:
    """Print what switching to a study has changed."""
    if switch.old == name and not switch.kept and not switch.changes:
        print(f"study {name} is active already; nothing changed")
        return
    print(f"study {name} is now active" + (f" (was {switch.old})" if switch.old else ""))
    if switch.kept:
        print(f"  params.yaml had been edited; it is kept as {switch.kept}")
    for change in switch.changes:
        print(f"  {_line(change)}")


def _line(change: studies.Change) -> str:
    place = f"{change.sign} {change.key}"
    if change.sign != "~":
        return place
    return f"{place}: {_short(change.old)} -> {_short(change.new)}"


def _short(value: Any, width: int = 40) -> str:
    text = str(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _status(_: argparse.Namespace) -> int:
    params = load_params()
    name = params.study.name
    folders = [run.folder for run in all_runs(params)]
    trained = sum((folder / "run.json").is_file() for folder in folders)
    done = sum((folder / "evaluation.json").is_file() for folder in folders)
    page = Path("reports", name, "index.html")
    print(f"study    {name}: {params.study.title}")
    print(f"file     {_file_state(name)}")
    print(f"runs     {done} of {len(folders)} done, {trained} trained")
    print(f"report   {page if page.is_file() else 'not yet made'}")
    counts = counts_elsewhere()
    if counts is not None:
        print(f"tasks    {counts}")
    return 0


def _publish(args: argparse.Namespace) -> int:
    from ferbench.reporting.index import write_index
    from ferbench.reporting.published import TrainingCost, publish, stage_in_git

    params = load_params()
    remedy = f"`make repro STUDY={args.name}` brings it up to date"
    if params.study.name != args.name:
        raise InputError(
            f"the active study is {params.study.name}, not {args.name}",
            where="params.yaml",
            remedy=remedy,
        )
    with lock.exclusive():
        lock.refuse_other_dvc()
        if _is_outdated():
            raise InputError(
                f"the report of {args.name} is not up to date; `dvc status` lists what has changed",
                where="dvc.lock",
                remedy=remedy,
            )
        costs = {
            name: TrainingCost(row.cpu_seconds, row.peak_mib)
            for name, row in trainings(read_stage_times()).items()
        }
        record = publish(Path(), params, costs)
        write_index(Path())
        files = stage_in_git(Path(), record, params.variants)
    print(f"study {args.name}: {record.line}")
    print(f"{files} files are staged in git; look at `git diff --cached --stat`, then commit")
    return 0


def _pages(_: argparse.Namespace) -> int:
    from ferbench.reporting.index import write_index

    write_index(Path())
    print("reports/index.html: the published studies; reports/local.html: all, if there are others")
    return 0


def _is_outdated() -> bool:
    """Whether DVC would run a stage."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--quiet"], check=False, capture_output=True
    )
    return done.returncode != 0


def _withdraw(args: argparse.Namespace) -> int:
    from ferbench.reporting.index import write_index
    from ferbench.reporting.withdrawn import (
        Withdrawal,
        mark_report,
        read_withdrawn,
        write_withdrawn,
    )

    reports = Path("reports")
    withdrawn = read_withdrawn(reports)
    known = withdrawn.pop(args.name, None)
    reason = args.reason or (known.reason if known else "")
    if not args.undo and not reason:
        raise InputError(
            f"study {args.name} is withdrawn without a reason",
            where="--reason",
            remedy='give the reason: --reason "One sentence."',
        )
    now = None if args.undo else Withdrawal(args.before, reason)
    mark_report(reports / args.name, now)
    write_withdrawn(reports, withdrawn | ({args.name: now} if now else {}))
    write_index(Path())
    print(f"study {args.name}: {now.words if now else 'not withdrawn'}")
    return 0


def _file_state(name: str) -> str:
    edits = studies.edits()
    if edits is None:
        return f"params.yaml; there is no studies/{name}.yaml to compare it with"
    if not edits:
        return f"params.yaml as in studies/{name}.yaml"
    lines = [f"params.yaml, edited by hand ({len(edits)} keys differ from studies/{name}.yaml)"]
    return "\n           ".join([*lines, *(_line(edit) for edit in edits)])
