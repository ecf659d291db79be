"""What every stage took: `.cache/stage_times.csv`, a row per stage that DVC ran.

| column | meaning |
|---|---|
| started | UTC time, ISO 8601 |
| stage | DVC's name of the stage |
| status | exit status of its script |
| cpu_seconds | user and system time of its process and of those that it waited for |
| wall_seconds | from the start of its script to its end |
| peak_mib | largest resident memory |

Imports count for a stage only if they are its own: under `ferbench repro` most are made once, by
the process that stages are forked from.
"""

from __future__ import annotations

import csv
import datetime
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

__all__ = ["FILE", "StageTime", "read_stage_times", "recorded", "shares", "trainings"]

FILE = Path(".cache", "stage_times.csv")


@dataclass
class StageTime:
    """A row of the file; `status` is set before the end of the stage."""

    started: str
    stage: str
    status: int
    cpu_seconds: float
    wall_seconds: float
    peak_mib: int

    @property
    def kind(self) -> str:
        """The stage without its keys, such as `train`."""
        return self.stage.partition("@")[0]


@contextmanager
def recorded() -> Iterator[StageTime]:
    """Append a row for the stage that the block runs, if DVC runs it; a row that fails is lost.

    Yields:
        The row, for its exit status; an exception is status 1.
    """
    now, start = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    row = StageTime(now, os.environ.get("DVC_STAGE", ""), 1, 0.0, 0.0, 0)
    try:
        yield row
    finally:
        if row.stage:
            row.wall_seconds = round(time.monotonic() - start, 2)
            row.cpu_seconds, row.peak_mib = _used()
            # A full disk is reported by what the stage itself writes.
            with suppress(OSError):
                _append(row)


def _used() -> tuple[float, int]:
    """CPU seconds and peak memory of this process and of those that it waited for."""
    own, others = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(use.ru_utime + use.ru_stime for use in (own, others))
    return round(cpu, 2), max(own.ru_maxrss, others.ru_maxrss) // 1024


def _append(row: StageTime) -> None:
    FILE.parent.mkdir(exist_ok=True)
    new = not FILE.is_file()
    with FILE.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(asdict(row))
        writer.writerow(astuple(row))


def read_stage_times(since: str = "") -> list[StageTime]:
    """The rows of stages that started at a time or later; none without the file.

    Args:
        since: UTC time as in the file.
    """
    if not FILE.is_file():
        return []
    with FILE.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["started"] >= since]
    kinds = {"status": int, "cpu_seconds": float, "wall_seconds": float, "peak_mib": int}
    return [
        StageTime(**{f.name: kinds.get(f.name, str)(row[f.name]) for f in fields(StageTime)})
        for row in rows
    ]


def trainings(rows: Iterable[StageTime]) -> dict[str, StageTime]:
    """The last successful training of each run, by the run's name."""
    done = (row for row in rows if row.kind == "train" and row.status == 0)
    return {row.stage.partition("@")[2]: row for row in done}


def shares(rows: Iterable[StageTime]) -> Mapping[str, float]:
    """CPU seconds by kind of stage, the largest first."""
    total: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        total[row.kind] += row.cpu_seconds
    return dict(sorted(total.items(), key=lambda item: -item[1]))
