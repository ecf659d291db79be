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

__all__ = ["exclusive", "refuse_other_dvc"]

LOCK = Path(".cache/ferbench.lock")


def exclusive() -> AbstractContextManager[None]:
    """Hold the checkout while the block runs, so that no study changes below a running one.

    Raises:
        InputError: another process holds it.
    """
    return held(LOCK, "this checkout")


def refuse_other_dvc() -> None:
    """Make sure that no DVC process that can change files is at work in the current folder.

    One whose `ferbench` was killed ends by itself within `GRACE_S`; that long it is waited for.

    Raises:
        InputError: such a process is still there.
    """
    others = list(_others())
    if others:
        names = ", ".join(str(process.pid) for process in others)
        print(f"waiting up to {GRACE_S:.0f} s for DVC (process {names}) to end", flush=True)
    _, alive = psutil.wait_procs(others, timeout=GRACE_S)
    if not alive:
        return
    with alive[0].oneshot():
        command = shlex.join(alive[0].cmdline())
    raise InputError(
        f"DVC is at work in this folder: process {alive[0].pid} ({command})",
        where=Path.cwd(),
        remedy=f"wait until it has ended, or end it with `kill {alive[0].pid}`",
    )


def _others() -> Iterator[psutil.Process]:
    """Processes of `dvc repro` in the current folder, but for our own ancestors."""
    here = Path.cwd()
    family = {process.pid for process in psutil.Process().parents()} | {os.getpid()}
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if process.pid in family or not is_dvc(command) or "repro" not in command:
                continue
            if Path(process.cwd()) == here:
                yield process
        except psutil.Error:  # it has ended, or is somebody else's
            continue
