"""Processes that end when the one that started them is gone, however it ended.

`kill -9` of `ferbench repro` or of DVC leaves no time to stop what they have started. So the DVC
processes that ferbench starts watch ferbench, and stages watch the DVC process that runs them.

Run as a module, this is the DVC that ferbench starts; it ends when ferbench is gone, and can be
killed at any time without leaving half a file.
Command: python -m ferbench.cli.lifeline <pid of ferbench> <words of dvc>... [&& <words>...]...
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import psutil

__all__ = ["AND", "CLIENT", "GRACE_S", "dvc", "end_stage_with_dvc", "is_dvc", "watch"]

# A stage that is asked to stop finishes its step; what takes longer hangs.
GRACE_S = 20.0
_POLL_S = 1.0
# Environment variable with the process that asked the warm one to run this stage.
CLIENT = "FERBENCH_CLIENT"
AND = "&&"  # between two commands of one DVC process
_DVC_CHILD = "ferbench.cli.lifeline"


def dvc(*words: str) -> list[str]:
    """The command line of this environment's own DVC, which ends when this process does.

    Args:
        words: of a DVC command, or of one of `ferbench.cli.dvc_commands`; after a word `&&` another
            command follows, which the same process runs if the one before it succeeds.
    """
    return [sys.executable, "-m", _DVC_CHILD, str(os.getpid()), *words]


def is_dvc(command: Sequence[str]) -> bool:
    """Whether a command line is that of DVC: its script, its module or ours that starts it.

    >>> is_dvc(["/bin/python", "/bin/dvc", "repro"]), is_dvc(["python", "-m", "dvc", "repro"])
    (True, True)
    >>> is_dvc(["vim", "dvc.yaml"])
    False
    """
    first = [Path(word).name for word in command[:3]]
    return "dvc" in first or any(word in ("dvc", _DVC_CHILD) for word in command[1:3])


def watch(pid: int, then: Callable[[], None]) -> None:
    """Call `then` in a thread as soon as process `pid` has ended; at once if it is not there."""

    def wait() -> None:
        _wait(pid)
        then()

    threading.Thread(target=wait, name=f"watch-{pid}", daemon=True).start()


def _wait(pid: int) -> None:
    """Return when a process has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or an old kernel
        try:
            process = psutil.Process(pid)
        except psutil.Error:
            return
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_POLL_S)
        return
    try:
        select.select([handle], [], [])
    finally:
        os.close(handle)


def end_stage_with_dvc() -> None:
    """Let this stage end as on Ctrl-C when the DVC process that runs it ends.

    A script that was started by hand watches nobody.
    """
    if "DVC_STAGE" not in os.environ:
        return
    # A stage in the warm process has that for a parent; DVC is the parent of its client.
    stage = int(os.environ.get(CLIENT, os.getpid()))
    for process in psutil.Process(stage).parents():
        try:
            if is_dvc(process.cmdline()):
                watch(process.pid, _end_stage)
                return
        except psutil.Error:
            continue


def _end_stage() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _end_dvc() -> None:
    """End DVC, and the stage that it runs."""
    if os.getpgrp() == os.getpid():
        # DVC does not heed an interrupt while a stage runs; the stage does.
        os.killpg(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(number: int, frame: object) -> NoReturn:
    del frame
    sys.exit(128 + number)


def _run_dvc() -> int:
    from ferbench.cli.dvc_commands import release_locks_of_zombies, run_command
    from ferbench.cli.dvc_files import speed_up_dvc, write_whole_files

    parent, *words = sys.argv[1:]
    # As an exception, so that DVC releases what it has locked.
    signal.signal(signal.SIGTERM, _exit)
    watch(int(parent), _end_dvc)
    write_whole_files()
    speed_up_dvc()
    release_locks_of_zombies()
    status = 0
    while words and status == 0:
        end = words.index(AND) if AND in words else len(words)
        status = run_command(words[:end])
        words = words[end + 1 :]
    return status


if __name__ == "__main__":
    sys.exit(_run_dvc())
