"""Progress of tasks: a line an event, a bar on a terminal, and how long the rest may take."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ferbench.cli.tasks import Outcome

__all__ = ["Counts", "Progress", "duration"]


@dataclass(frozen=True)
class Counts:
    """Tasks of a study, as the engine counts them.

    Args:
        total: number of all tasks.
        done: number of those that have ended.
        running: for how many seconds each of the others has been running.
        mean_s: mean duration of those that have ended; 0 if none has.
        workers: number of tasks that can run at a time.
    """

    total: int
    done: int
    running: Sequence[float]
    mean_s: float
    workers: int

    @property
    def waiting(self) -> int:
        """Number of tasks that have not started."""
        return self.total - self.done - len(self.running)

    def left_s(self) -> float | None:
        """Seconds until all have ended, if they take as long as those before; None if none has.

        Two tasks of a minute are waiting for two workers, each busy for another half a minute:

        >>> Counts(total=8, done=4, running=[30, 30], mean_s=60, workers=2).left_s()
        90.0
        """
        if not self.done or not self.workers:
            return None
        rest = sum(max(self.mean_s - seconds, 0.0) for seconds in self.running)
        return (rest + self.waiting * self.mean_s) / self.workers

    def __str__(self) -> str:
        left = self.left_s()
        parts = [f"{len(self.running)} running", f"{self.waiting} waiting", f"{self.done} done"]
        if left is not None and self.done < self.total:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """A duration with the two units that matter.

    >>> duration(12.3), duration(90), duration(7500)
    ('12 s', '1 min 30 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """Reports tasks as they end; on a terminal, with a bar below.

    Args:
        total: number of tasks.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._total, self._done = total, 0
        self._start = datetime.datetime.now()
        # Lines are not wrapped or coloured: they go to logs too.
        self._console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._bar: Any = None
        if self._console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            # Refreshed by `show` alone: a thread that redraws would take time of the runs.
            self._bar = Bar(
                *columns,
                TextColumn("{task.description}", markup=False),
                console=self._console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar, which `show` brings up to date."""
        return self._bar is not None

    def show(self, counts: Counts) -> None:
        """Bring the bar up to date."""
        if self._bar is not None:
            self._bar.update(
                self._task, completed=counts.done, description=str(counts), refresh=True
            )

    def ended(self, outcome: Outcome, counts: Counts) -> None:
        """Report a task that has ended."""
        self._done += 1
        word = "done" if outcome.ok else "FAILED"
        line = f"[{self._done}/{self._total}] {outcome.name}: {word} in {outcome.seconds:.0f} s"
        left = counts.left_s()
        if left is not None and self._done < self._total:
            line += f", about {duration(max(left, 1.0))} left"
        self.say(line)

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        self._console.print(line)
