"""Cells side by side: DVC runs one stage at a time, so several of it run one cell each.

The order is the pipeline's own: what all cells need, then the cells, then (by the caller) the rest.
DVC stays the only record; a cell that is up to date is not started, and a cell that is interrupted
is simply still to be done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ferbench.cli.children import Children
from ferbench.cli.flow import Flow, dvc, read_flow, stale_stages

__all__ = ["Outcome", "run_cells"]

LOGS = Path(".cache/logs")


@dataclass(frozen=True)
class Outcome:
    """How a cell ended.

    Args:
        stage: the stage that failed; None if all went well.
        log: the cell's output.
        seconds: from its start to its end.
    """

    stage: str | None
    log: Path
    seconds: float

    def tail(self, lines: int = 15) -> str:
        """The end of the cell's output."""
        with self.log.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, lines)).rstrip()


def run_cells(children: Children, names: Iterable[str], jobs: int) -> bool:
    """Run every cell that is out of date, `jobs` at a time, and what they need before.

    A cell is trained by stage `train@<name>`, then evaluated by `evaluate@<name>`, then seen by
    what needs this cell and no other, such as a probe. What cells need runs in order, but for
    stages that nothing ties to another one of them, such as descriptions: they run side by side
    too. A cell that fails does not hold up the others; failures are told at the end.

    Returns:
        Whether everything went well.
    """
    flow = read_flow()
    cells = _stages_of(flow, names)
    shared = flow.before(stage for stages in cells.values() for stage in stages)
    stale = stale_stages()
    untied = _untied(flow, shared)
    if stale & (shared - untied):
        children.run(dvc("repro", "--keep-going", *sorted(shared - untied)))
    failures = _fan_out(children, {stage: [stage] for stage in sorted(stale & untied)}, jobs)
    if stale & shared:
        stale = stale_stages()
    waiting = {name: stages for name, stages in cells.items() if stale & set(stages)}
    ready = {
        name: _from_stale(stages, stale)
        for name, stages in waiting.items()
        if not stale & flow.before(stages)
    }
    failures += _fan_out(children, ready, jobs)
    broken = [stage for stage in flow.needs if stage in stale & shared]
    _tell_failures(failures, broken, len(waiting) - len(ready))
    return not failures and not broken


def _stages_of(flow: Flow, names: Iterable[str]) -> dict[str, list[str]]:
    """The stages of every cell, in their order."""
    cells = {name: [f"train@{name}", f"evaluate@{name}"] for name in names}
    owner = {stage: name for name, stages in cells.items() for stage in stages}
    for stage in sorted(flow.needs):
        owners = {owner[before] for before in flow.before([stage]) if before in owner}
        if "@" in stage and stage not in owner and len(owners) == 1:
            cells[owners.pop()].append(stage)
    return cells


def _untied(flow: Flow, shared: set[str]) -> set[str]:
    """Shared stages that need no other stage and that only cells need."""
    needed = set().union(*(flow.needs[stage] for stage in shared))
    return {stage for stage in shared if not flow.needs[stage]} - needed


def _from_stale(stages: list[str], stale: set[str]) -> list[str]:
    """The stages from the first that is out of date."""
    first = next(i for i, stage in enumerate(stages) if stage in stale)
    return stages[first:]


def _fan_out(children: Children, cells: Mapping[str, list[str]], jobs: int) -> list[Outcome]:
    """Run cells side by side; give the outcomes of those that failed."""
    failures = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_run_cell, children, *cell): cell[0] for cell in cells.items()}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                outcome = future.result()
                word = "FAILED" if outcome.stage else "done"
                line = f"{futures[future]}: {word} in {outcome.seconds:.0f} s"
                print(f"[{number}/{len(cells)}] {line}", flush=True)
                if outcome.stage:
                    failures.append(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
    return failures


def _run_cell(children: Children, name: str, stages: list[str]) -> Outcome:
    """Run a cell's stages one after another, until one fails.

    All in one call: in a large study DVC takes longer to read its files than a small cell runs.
    """
    start = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    # -s: two full targets that share an unchanged stage would block each other.
    command = dvc("--wait-for-lock", "repro", "--quiet", "--single-item", *stages)
    failed = _named_in(log, stages) if children.run(command, log) != 0 else None
    return Outcome(failed, log, time.monotonic() - start)


def _named_in(log: Path, stages: list[str]) -> str:
    """The stage that DVC says has failed; the first if it says nothing."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return next((s for s in stages if f"failed to reproduce '{s}'" in text), stages[0])


def _tell_failures(failures: list[Outcome], broken: list[str], blocked: int) -> None:
    for stage in broken:
        print(f"error: stage {stage} failed or was not reached; its message is above")
    if blocked:
        print(f"error: {blocked} cells were not started, because what they need has failed")
    for outcome in failures:
        print(f"\nerror: stage {outcome.stage} failed; the end of {outcome.log}:")
        print(f"{outcome.tail()}\n")
