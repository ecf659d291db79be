"""Cells side by side: DVC runs one stage at a time, so several of it run one cell each.

The order is the pipeline's own: what all cells need, then the cells, then (by the caller) the rest.
DVC stays the only record; a cell that is up to date is not started, and a cell that is interrupted
is simply still to be done.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ferbench.cli.children import Children
from ferbench.cli.flow import Cell, Flow, dvc, read_flow, stale_stages

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


def run_cells(children: Children, jobs: int) -> bool:
    """Run every cell that is out of date, `jobs` at a time, and what they need before.

    A cell that fails does not hold up the others; failures are told at the end.

    Returns:
        Whether everything went well.
    """
    flow = read_flow()
    cells = flow.cells()
    shared = flow.before(stage for cell in cells for stage in cell.stages)
    stale = stale_stages()
    if stale & shared:
        children.run(dvc("repro", "--keep-going", *sorted(shared)))
        stale = stale_stages()
    waiting = [cell for cell in cells if stale & set(cell.stages)]
    ready = [cell for cell in waiting if not stale & flow.before(cell.stages)]
    failures = _fan_out(children, ready, stale, jobs)
    _tell_failures(failures, flow, stale & shared, len(waiting) - len(ready))
    return not failures and not stale & shared


def _fan_out(
    children: Children, cells: list[Cell], stale: set[str], jobs: int
) -> dict[str, Outcome]:
    """Run cells side by side; give those that failed."""
    failures: dict[str, Outcome] = {}
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_run_cell, children, cell, stale): cell.name for cell in cells}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                name, outcome = futures[future], future.result()
                word = "FAILED" if outcome.stage else "done"
                print(
                    f"[{number}/{len(cells)}] {name}: {word} in {outcome.seconds:.0f} s", flush=True
                )
                if outcome.stage:
                    failures[name] = outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
    return failures


def _run_cell(children: Children, cell: Cell, stale: set[str]) -> Outcome:
    """A cell's stages one after another, from the first that is out of date."""
    start = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{cell.name}.log"
    log.unlink(missing_ok=True)
    first = next(i for i, stage in enumerate(cell.stages) if stage in stale)
    for stage in cell.stages[first:]:
        # -s: two full targets that share an unchanged stage would block each other.
        command = dvc("--wait-for-lock", "repro", "--quiet", "--single-item", stage)
        if children.run(command, log) != 0:
            return Outcome(stage, log, time.monotonic() - start)
    return Outcome(None, log, time.monotonic() - start)


def _tell_failures(
    failures: dict[str, Outcome], flow: Flow, broken: set[str], blocked: int
) -> None:
    for stage in (stage for stage in flow.needs if stage in broken):
        print(f"error: stage {stage} failed or was not reached; its message is above")
    if blocked:
        print(f"error: {blocked} cells were not started, because what they need has failed")
    for outcome in failures.values():
        print(f"\nerror: stage {outcome.stage} failed; the end of {outcome.log}:")
        print(f"{outcome.tail()}\n")
