"""`ferbench study list|use|status`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ferbench.cells import all_cells
from ferbench.cli import lock, studies
from ferbench.params import load_params

__all__ = ["add_study"]


def add_study(commands: Any) -> None:
    """Add `study` to the commands."""
    parser = commands.add_parser("study", help="list the studies, put one in place, see its state")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="name all studies").set_defaults(run=_list)
    use = actions.add_parser("use", help="put a study in place as params.yaml")
    use.add_argument("name", metavar="NAME")
    use.set_defaults(run=_use)
    actions.add_parser("status", help="what is active and how far it is").set_defaults(run=_status)


def _list(_: argparse.Namespace) -> int:
    active = studies.active_name()
    for name in studies.known():
        mark = "*" if name == active else " "
        print(f"{mark} {name:24} {studies.load_study(name).study.title}")
    return 0


def _use(args: argparse.Namespace) -> int:
    with lock.exclusive():
        show(args.name, studies.use(args.name))
    return 0


def show(name: str, switch: studies.Switch) -> None:
    """Print what putting a study in place has done."""
    if switch.old == name and not switch.kept and not switch.changes:
        print(f"study {name} is active already; nothing changed")
        return
    print(f"study {name} is now active" + (f" (was {switch.old})" if switch.old else ""))
    if switch.kept:
        print(f"  params.yaml was not as its study writes it; it is kept as {switch.kept}")
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
    folders = [cell.folder for cell in all_cells(params)]
    trained = sum((folder / "run.json").is_file() for folder in folders)
    done = sum((folder / "evaluation.json").is_file() for folder in folders)
    page = Path("reports", name, "index.html")
    print(f"study    {name}: {params.study.title}")
    print(f"file     {_file_state(name)}")
    print(f"cells    {done} of {len(folders)} done, {trained} trained")
    print(f"report   {page if page.is_file() else 'not yet made'}")
    return 0


def _file_state(name: str) -> str:
    edits = studies.edits()
    if edits is None:
        return f"params.yaml; there is no studies/{name}.yaml to compare it with"
    if not edits:
        return f"params.yaml as in studies/{name}.yaml"
    lines = [f"params.yaml, edited by hand ({len(edits)} keys differ from studies/{name}.yaml)"]
    return "\n           ".join([*lines, *(_line(edit) for edit in edits)])
