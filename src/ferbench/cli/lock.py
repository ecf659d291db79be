"""One `ferbench repro` or `study use` at a time in a checkout, and none beside a running DVC."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

from ferbench.cli.lifeline import GRACE_S, is_dvc
from ferbench.errors import InputError
from ferbench.locks import held

__all__ = ["exclusive", "forget_dead_dvc", "refuse_other_dvc"]

LOCK = Path(".cache/ferbench.lock")
_RWLOCK = Path(".dvc/tmp/rwlock")


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
