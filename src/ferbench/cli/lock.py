"""Who may work in a checkout, and a `dvc.lock` that is whole or mended.

One `ferbench repro` or `study use` works in a checkout at a time, and none beside a running DVC.
DVC writes `dvc.lock` in place, which takes seconds for a large study; a DVC that is killed
meanwhile leaves half of it and refuses to work from then on. The DVC that ferbench starts writes it
in one step (`ferbench.cli.dvc_files`); what a DVC that was started by hand has left is mended.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import yaml

from ferbench.cli.dvc_files import LOCK_FILE, split_lock_file
from ferbench.cli.lifeline import GRACE_S, is_dvc
from ferbench.errors import InputError
from ferbench.files import whole_file
from ferbench.locks import held

__all__ = [
    "exclusive",
    "forget_dead_dvc",
    "mend_lock_file",
    "refuse_other_dvc",
]

LOCK = Path(".cache/ferbench.lock")
_RWLOCK = Path(".dvc/tmp/rwlock")


def mend_lock_file() -> int | None:
    """Take the stages that are whole out of a half-written `dvc.lock`.

    The stages that it lacks are restored by DVC from its record of runs, or run again. The damaged
    file is kept as `dvc.lock.damaged`.

    Returns:
        The number of stages that are left; None if nothing was wrong.
    """
    if not LOCK_FILE.is_file():
        return None
    text = LOCK_FILE.read_text(encoding="utf-8", errors="replace")
    if _stages(text) is not None:
        return None
    head, blocks = split_lock_file(text)
    LOCK_FILE.replace(LOCK_FILE.with_name("dvc.lock.damaged"))
    while blocks:
        blocks.pop()  # the last one is what was being written
        whole = head + "".join(blocks)
        stages = _stages(whole)
        if stages is not None:
            with whole_file(LOCK_FILE) as temporary:
                temporary.write_text(whole, encoding="utf-8")
            return stages
    return 0


def _stages(text: str) -> int | None:
    """The number of stages of a lock file; None if it is none by DVC's own schema."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA as SCHEMA
    from voluptuous import Invalid

    if not text.endswith("\n"):
        return None
    try:
        content = yaml.load(text, Loader=yaml.CSafeLoader)
        SCHEMA(content)
    except (yaml.YAMLError, Invalid):
        return None
    return len(content.get("stages") or {})


def exclusive() -> AbstractContextManager[None]:
    """Hold the checkout while the block runs, so that no study changes below a running one.

    Raises:
        InputError: another process holds it.
    """
    return held(LOCK, "this checkout")


def refuse_other_dvc() -> None:
    """Make sure that no DVC process is at work in the current folder, and forget dead ones.

    One whose `ferbench` was killed ends by itself within `GRACE_S`; that long it is waited for.

    Raises:
        InputError: such a process is still there.
    """
    others = list(_others())
    if others:
        names = ", ".join(str(process.pid) for process in others)
        print(f"waiting up to {GRACE_S:.0f} s for DVC (process {names}) to end", flush=True)
    _, alive = psutil.wait_procs(others, timeout=GRACE_S)
    if alive:
        raise InputError(
            f"DVC is at work in this folder: process {alive[0].pid} "
            f"({shlex.join(alive[0].cmdline())})",
            where=Path.cwd(),
            remedy=f"wait until it has ended, or end it with `kill {alive[0].pid}`",
        )
    forget_dead_dvc()


def forget_dead_dvc() -> None:
    """Delete DVC's list of the files that its processes use, when there is no such process.

    DVC forgets a dead process by itself, but not one that nobody has waited for, as in a container
    whose first process does not, and it refuses to work where it was killed writing the list.
    """
    if not any(_others()):
        _RWLOCK.unlink(missing_ok=True)


def _others() -> Iterator[psutil.Process]:
    """DVC processes in the current folder, but for our own ancestors."""
    here = Path.cwd()
    family = {process.pid for process in psutil.Process().parents()} | {os.getpid()}
    for process in psutil.process_iter():
        try:
            found = process.pid not in family and is_dvc(process.cmdline())
            if found and Path(process.cwd()) == here:
                yield process
        except psutil.Error:  # it has ended, or is somebody else's
            continue
