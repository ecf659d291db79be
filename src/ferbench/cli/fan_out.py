"""What of a study is done side by side: DVC runs one stage at a time, so several run together.

The order is the pipeline's own: what all runs need, then the runs, then (by the caller) the rest.
DVC stays the only record: a run that is up to date is not started, and one that was interrupted is
still to be done. An engine (`ferbench.cli.cluster`) places the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from ferbench.cli.children import Children
from ferbench.cli.flow import Flow, State, read_state
from ferbench.cli.lifeline import dvc
from ferbench.cli.tasks import Outcome, Task

__all__ = ["Engine", "reproduce_runs"]


class Engine(Protocol):
    """Where tasks are done.

    Args:
        clones: whether its workers have files of their own instead of this checkout's.
    """

    clones: bool

    @property
    def workers(self) -> int:
        """The number of tasks that are done at a time."""

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Do tasks side by side, show their progress, and give the outcomes as they came."""

    def fetch(self, stages: Sequence[str]) -> Outcome:
        """Restore what clones have computed of `stages`; it failed unless that was all."""

    def publish(self, flow: Flow, stages: Sequence[str]) -> None:
        """Make what `stages` read available to clones."""


def reproduce_runs(children: Children, names: Iterable[str], engine: Engine, state: State) -> bool:
    """Reproduce every run that is out of date, side by side, and before them what they need.

    A run is trained by stage `train@<name>`, evaluated by `evaluate@<name>`, then read by what
    needs this run and no other, such as a robustness test. What runs need is done in order, but for
    stages that nothing ties to another one of them, such as descriptions: they are done side by
    side too. A run that fails does not hold up the others; failures are reported at the end.

    Args:
        children: run DVC here.
        names: of the runs.
        engine: does the tasks.
        state: of the pipeline now.

    Returns:
        Whether everything went well.
    """
    flow, stale = state.flow, state.stale
    runs = _stages_of(flow, names)
    shared = flow.before(stage for stages in runs.values() for stage in stages)
    needed = set().union(*(flow.needs[stage] for stage in shared))
    # Descriptions are no results that DVC caches: clones get them from here.
    untied = {s for s in shared if not flow.needs[s]} - needed if not engine.clones else set()
    if stale & (shared - untied):
        children.run(dvc("repro", "--keep-going", *sorted(shared - untied)))
    outcomes = []
    if stale & untied:
        outcomes = engine.run(_groups(sorted(stale & untied), engine.workers))
    if stale & shared:
        state = read_state()
        flow, stale = state.flow, state.stale
    waiting = {name: stages for name, stages in runs.items() if stale & set(stages)}
    ready = {
        name: _from_stale(stages, stale)
        for name, stages in waiting.items()
        if not stale & flow.before(stages)
    }
    outcomes += _compute(engine, flow, ready)
    broken = [stage for stage in flow.needs if stage in stale & shared]
    failures = [outcome for outcome in outcomes if not outcome.ok]
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


def _groups(stages: Sequence[str], number: int) -> list[Task]:
    """Stages dealt out evenly, as at most `number` tasks.

    >>> [task.stages for task in _groups(["a@1", "a@2", "a@3"], 2)]
    [('a@1', 'a@3'), ('a@2',)]
    """
    dealt = [tuple(stages[first::number]) for first in range(min(number, len(stages)))]
    return [
        Task(group[0] if len(group) == 1 else f"{group[0]} and {len(group) - 1} more", group, True)
        for group in dealt
    ]


def _from_stale(stages: list[str], stale: Iterable[str]) -> list[str]:
    """The stages from the first that is out of date."""
    first = next(i for i, stage in enumerate(stages) if stage in stale)
    return stages[first:]


def _compute(engine: Engine, flow: Flow, runs: dict[str, list[str]]) -> list[Outcome]:
    """Do the stages of runs; what clones have computed is here when it returns."""
    if not runs:
        return []
    stages = [stage for own in runs.values() for stage in own]
    if engine.clones:
        # What an interrupted command has left in the remote.
        if engine.fetch(stages).ok:
            return []
        stale = read_state().stale
        runs = {n: _from_stale(own, stale) for n, own in runs.items() if stale & set(own)}
        engine.publish(flow, [stage for own in runs.values() for stage in own])
    tasks = [
        Task(name, tuple(own), inputs=_inputs(flow, own) if engine.clones else ())
        for name, own in runs.items()
    ]
    outcomes = engine.run(tasks)
    if engine.clones:
        arrived = [s for o in outcomes if o.ok for s in runs[o.name]]
        outcomes += [engine.fetch(arrived)] if arrived else []
    return outcomes


def _inputs(flow: Flow, stages: Sequence[str]) -> tuple[str, ...]:
    """What stages read of DVC's cache."""
    return tuple(path for path, cached in flow.inputs_of(stages).items() if cached)


def _report_failures(failures: list[Outcome], broken: list[str], blocked: int) -> None:
    for stage in broken:
        print(f"error: stage {stage} failed or was not reached; its message is above")
    if blocked:
        print(f"error: {blocked} runs were not started, because what they need has failed")
    for outcome in failures:
        what = f"stage {', '.join(outcome.failed)}" if outcome.failed else outcome.name
        place = f" on {outcome.worker}" if outcome.worker else ""
        print(f"\nerror: {what} failed{place}; the end of {outcome.log}:")
        print(f"{outcome.tail}\n")
