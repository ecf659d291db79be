"""A task: stages that one DVC process brings up to date, on this machine or on another."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ferbench.cli.children import Children
from ferbench.cli.lifeline import AND, GRACE_S, dvc

__all__ = ["Outcome", "Task", "run_dvc", "run_task"]

LOGS = Path(".cache/logs")
_TAIL = 15  # lines
_BUSY = "is busy, it is being blocked by"
_POLL_S = 1.0


@dataclass(frozen=True)
class Task:
    """Stages that are done one after another.

    Args:
        name: of the run, or of a group of stages.
        stages: as DVC names them, in their order.
        independent: whether the others go on when one fails.
        inputs: paths that a clone gets from the remote before.
    """

    name: str
    stages: tuple[str, ...]
    independent: bool = False
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Args:
        name: of the task.
        ok: whether all of it succeeded.
        failed: the stages that failed; none if it was something else than a stage.
        log: where the whole output is, in the checkout where it ran.
        tail: the end of the output; of a task that succeeded, nothing.
        seconds: from the start of the first stage to the end of the last.
        worker: that ran it; empty on this machine.
    """

    name: str
    ok: bool
    failed: tuple[str, ...] = ()
    log: str = ""
    tail: str = ""
    seconds: float = 0.0
    worker: str = ""

    def on(self, worker: str) -> Outcome:
        """The same on a worker."""
        return replace(self, worker=worker)


def run_dvc(
    children: Children, name: str, words: Sequence[str], folder: Path | None = None
) -> Outcome:
    """Run DVC with a log of its own, which replaces an earlier one.

    Args:
        children: run the process.
        name: of the log and of the outcome.
        words: of DVC's command line.
        folder: the checkout; None for the current folder.
    """
    log = (folder or Path()) / LOGS / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    start = time.monotonic()
    status = children.run(dvc(*words), log)
    seconds = time.monotonic() - start
    if status == 0:
        return Outcome(name, True, log=str(log), seconds=seconds)
    with log.open(encoding="utf-8", errors="replace") as file:
        tail = "".join(deque(file, _TAIL)).rstrip()
    return Outcome(name, False, log=str(log), tail=tail, seconds=seconds)


def run_task(
    children: Children, task: Task, folder: Path | None = None, clone: bool = False
) -> Outcome:
    """Bring a task's stages up to date, in one DVC process.

    In a large study DVC takes longer to read its files than a small run takes.

    Args:
        children: run the process, in the checkout.
        task: what is to be done.
        folder: the checkout; None for the current folder.
        clone: whether inputs come from DVC's remote, and results go there.
    """
    start = time.monotonic()
    words = _words(task, clone)
    outcome = run_dvc(children, task.name, words, folder)
    # What a lost worker has left locked: its own processes are still ending.
    while not outcome.ok and _is_busy(outcome) and time.monotonic() - start < 2 * GRACE_S:
        time.sleep(_POLL_S)
        outcome = run_dvc(children, task.name, words, folder)
    failed = () if outcome.ok else _failed(task, outcome)
    return replace(outcome, failed=failed, seconds=time.monotonic() - start)


def _words(task: Task, clone: bool) -> list[str]:
    # -s: two full targets that share an unchanged stage would block each other.
    words = ["--wait-for-lock", "repro", "--quiet", "--single-item"]
    if task.independent:
        words.append("--keep-going")
    words += task.stages
    if not clone:
        return words
    # `force`: what an earlier study has left in the clone is replaced.
    pull = ["--wait-for-lock", "pull", "--quiet", "--force", *task.inputs, AND]
    push = [AND, "--wait-for-lock", "push", "--quiet", "--run-cache", *task.stages]
    return [*(pull if task.inputs else []), *words, *push]


def _is_busy(outcome: Outcome) -> bool:
    return _BUSY in Path(outcome.log).read_text(encoding="utf-8", errors="replace")


def _failed(task: Task, outcome: Outcome) -> tuple[str, ...]:
    """The stages that DVC reports as failed."""
    lines = Path(outcome.log).read_text(encoding="utf-8", errors="replace").splitlines()
    named = {
        name
        for line in lines
        if "failed to reproduce" in line
        for name in re.findall(r"'([^']+)'", line)
    }
    return tuple(stage for stage in task.stages if stage in named)
