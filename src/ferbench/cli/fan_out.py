"""Runs side by side: DVC runs one stage at a time, so several of it train one run each.

The order is the pipeline's own: what all runs need, then the runs, then (by the caller) the rest.
DVC stays the only record: a run that is up to date is not started, and one that was interrupted is
still to be done. Child processes never outlive the command that started them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ferbench.cli.lifeline import GRACE_S, dvc
from ferbench.errors import InputError

__all__ = ["Children", "Flow", "Outcome", "read_flow", "reproduce_runs", "stale_stages"]

LOGS = Path(".cache/logs")
_NODE = re.compile(r'^"?([^"\s]+?)"?;$')
_EDGE = re.compile(r'^"?([^"\s]+?)"? -> "?([^"\s]+?)"?;$')


class Children:
    """Processes started together; leaving the block stops those that still run.

    Each child leads a session of its own, so a signal reaches all that it has started (DVC runs a
    stage in a shell), and Ctrl-C reaches it through `stop` only, once.

    Args:
        variables: of their environment, besides our own.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        # This Python's folder first: stages say `python`, in an activated shell or not.
        folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        self._environment = {**os.environ, "PATH": os.pathsep.join(folders), **(variables or {})}
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def run(self, command: Sequence[str], log: Path | None = None) -> int:
        """Run a command to its end; its output goes to `log`, or where ours goes.

        Returns:
            Its exit status; 130 if `stop` was called before it could start.
        """
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            with self._guard:
                if self._stopped:
                    return 130
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                    start_new_session=True,
                    env=self._environment,
                )
                self._running.add(child)
            status = child.wait()
            with self._guard:
                self._running.discard(child)
            return status

    def stop(self) -> None:
        """Interrupt every child with all it has started, then kill what does not end."""
        with self._guard:
            self._stopped = True
            running = list(self._running)
        for child in running:
            _signal(child, signal.SIGINT)
            # DVC itself takes a stage's interrupt for a failure, and could go on to the next.
            child.terminate()
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C: wait no longer
            deadline = time.monotonic() + GRACE_S
            while any(map(_has_members, running)) and time.monotonic() < deadline:
                time.sleep(0.05)
        for child in running:
            _signal(child, signal.SIGKILL)
            child.wait()


def _has_members(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child, or anything that it has started, still runs."""
    child.poll()  # what has ended and is not waited for would count
    return _signal(child, 0)


def _signal(child: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a child's whole session; whether any process was left to get it."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return False
    return True


@dataclass(frozen=True)
class Flow:
    """The graph of stages.

    Args:
        needs: of every stage, those it needs directly.
    """

    needs: dict[str, frozenset[str]]

    def before(self, stages: Iterable[str]) -> set[str]:
        """All that `stages` need, directly or not, without themselves."""
        wanted = set(stages)
        found: set[str] = set()
        open_ends = list(wanted)
        while open_ends:
            new = self.needs[open_ends.pop()] - found
            found |= new
            open_ends += new
        return found - wanted


def read_flow() -> Flow:
    """The pipeline's graph, asked of DVC.

    Raises:
        InputError: DVC cannot read the pipeline.
    """
    needs: dict[str, set[str]] = {}
    for line in _ask_dvc("dag", "--dot").splitlines():
        if edge := _EDGE.match(line.strip()):
            needs.setdefault(edge[2], set()).add(edge[1])
        elif node := _NODE.match(line.strip()):
            needs.setdefault(node[1], set())
    return Flow({stage: frozenset(others) for stage, others in needs.items()})


def stale_stages() -> set[str]:
    """Stages whose inputs, parameters or outputs are not what DVC has recorded.

    What only follows on such a stage is not among them until that stage has run.

    Raises:
        InputError: DVC cannot read the pipeline.
    """
    return set(json.loads(_ask_dvc("status", "--json")))


def _ask_dvc(*words: str) -> str:
    result = subprocess.run(
        dvc("--wait-for-lock", *words), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise InputError(
            f"DVC cannot read the pipeline:\n{result.stderr.strip()}",
            where="dvc.yaml",
            remedy="mend what it names; `ferbench doctor` checks the rest",
        )
    return result.stdout


@dataclass(frozen=True)
class Outcome:
    """How a run's stages ended.

    Args:
        stage: the stage that failed; None if all went well.
        log: their output.
        seconds: from the start of the first to the end of the last.
    """

    stage: str | None
    log: Path
    seconds: float

    def tail(self, lines: int = 15) -> str:
        """The end of the output."""
        with self.log.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, lines)).rstrip()


def reproduce_runs(children: Children, names: Iterable[str], jobs: int) -> bool:
    """Reproduce every run that is out of date, `jobs` at a time, and before them what they need.

    A run is trained by stage `train@<name>`, evaluated by `evaluate@<name>`, then read by what
    needs this run and no other, such as a robustness test. What runs need is done in order, but for
    stages that nothing ties to another one of them, such as descriptions: they are done side by
    side too. A run that fails does not hold up the others; failures are reported at the end.

    Returns:
        Whether everything went well.
    """
    flow = read_flow()
    runs = _stages_of(flow, names)
    shared = flow.before(stage for stages in runs.values() for stage in stages)
    stale = stale_stages()
    needed = set().union(*(flow.needs[stage] for stage in shared))
    untied = {stage for stage in shared if not flow.needs[stage]} - needed
    if stale & (shared - untied):
        children.run(dvc("repro", "--keep-going", *sorted(shared - untied)))
    failures = _fan_out(children, {stage: [stage] for stage in sorted(stale & untied)}, jobs)
    if stale & shared:
        stale = stale_stages()
    waiting = {name: stages for name, stages in runs.items() if stale & set(stages)}
    ready = {
        name: _from_stale(stages, stale)
        for name, stages in waiting.items()
        if not stale & flow.before(stages)
    }
    failures += _fan_out(children, ready, jobs)
    broken = [stage for stage in flow.needs if stage in stale & shared]
    _report_failures(failures, broken, len(waiting) - len(ready))
    return not failures and not broken


def _stages_of(flow: Flow, names: Iterable[str]) -> dict[str, list[str]]:
    """The stages of every run, in their order."""
    runs = {name: [f"train@{name}", f"evaluate@{name}"] for name in names}
    owner = {stage: name for name, stages in runs.items() for stage in stages}
    for stage in sorted(flow.needs):
        owners = {owner[before] for before in flow.before([stage]) if before in owner}
        if "@" in stage and stage not in owner and len(owners) == 1:
            runs[owners.pop()].append(stage)
    return runs


def _from_stale(stages: list[str], stale: set[str]) -> list[str]:
    """The stages from the first that is out of date."""
    first = next(i for i, stage in enumerate(stages) if stage in stale)
    return stages[first:]


def _fan_out(children: Children, runs: Mapping[str, list[str]], jobs: int) -> list[Outcome]:
    """Reproduce runs side by side; give the outcomes of those that failed."""
    failures = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_reproduce, children, *run): run[0] for run in runs.items()}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                outcome = future.result()
                word = "FAILED" if outcome.stage else "done"
                line = f"{futures[future]}: {word} in {outcome.seconds:.0f} s"
                print(f"[{number}/{len(runs)}] {line}", flush=True)
                if outcome.stage:
                    failures.append(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
    return failures


def _reproduce(children: Children, name: str, stages: list[str]) -> Outcome:
    """Reproduce a run's stages one after another, until one fails.

    All in one call: in a large study DVC takes longer to read its files than a small run takes.
    """
    start = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    # -s: two full targets that share an unchanged stage would block each other.
    command = dvc("--wait-for-lock", "repro", "--quiet", "--single-item", *stages)
    failed = None
    if children.run(command, log) != 0:
        text = log.read_text(encoding="utf-8", errors="replace")
        named = (stage for stage in stages if f"failed to reproduce '{stage}'" in text)
        failed = next(named, stages[0])
    return Outcome(failed, log, time.monotonic() - start)


def _report_failures(failures: list[Outcome], broken: list[str], blocked: int) -> None:
    for stage in broken:
        print(f"error: stage {stage} failed or was not reached; its message is above")
    if blocked:
        print(f"error: {blocked} runs were not started, because what they need has failed")
    for outcome in failures:
        print(f"\nerror: stage {outcome.stage} failed; the end of {outcome.log}:")
        print(f"{outcome.tail()}\n")
