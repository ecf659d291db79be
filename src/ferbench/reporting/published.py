"""Published studies: reports that git keeps, each with a record of the runs behind it.

Git ignores what the pipeline writes into `reports/`, so that running a study leaves a checkout
clean. A study is published by `reports/<study>/published.json`; its report and the pages of its
data sets are then added to git.
"""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ferbench.artifacts.runs import Record, RunRecord
from ferbench.config.params import Params
from ferbench.config.runs import all_runs
from ferbench.errors import InputError
from ferbench.reporting.withdrawn import without_mark

__all__ = [
    "Publication",
    "TrainingCost",
    "publication_of",
    "publish",
    "published_studies",
    "retract_if_replaced",
    "stage_in_git",
]

_FILE = "published.json"
# Of all studies.
_SHARED = (
    "reports/index.html",
    "reports/claims.csv",
    "reports/findings.json",
    "docs/pages/findings.md",
    "README.md",
)
_PRIVATE = ("people", "faces.parquet", "replicates.parquet", "label_issues.csv")


class Publication(Record):
    """`published.json`: what produced the numbers of a study.

    Args:
        study: its name.
        published: the day, ISO 8601.
        commits: of the code that trained the runs.
        runs: number of runs.
        seeds: of the runs.
        hardware: of the machines, each once.
        versions: of Python and the libraries, each set once.
        training_hours: sum over the runs; None where older records do not have it.
        wall_hours: from the start of the first training to the end of the last one, pauses
            included; None where that is not known.
        cpu_hours: processor time of all trainings; None where one of them was not measured, as
            after `dvc pull`.
        peak_mib: largest resident memory of a training; None likewise.
        images: training images that all runs were shown, once for each epoch; None in older
            records.
        data: keys of the data sets whose pages belong to the report.
    """

    remedy: ClassVar[str] = "`make publish` of that study writes it again"

    study: str
    published: str
    commits: list[str]
    runs: int
    seeds: list[int]
    hardware: list[dict[str, Any]]
    versions: list[dict[str, str]]
    training_hours: float | None
    wall_hours: float | None
    cpu_hours: float | None = None
    peak_mib: int | None = None
    images: int | None = None
    data: list[str]

    @property
    def machines(self) -> str:
        """The processors or GPUs, each once."""
        names = (", ".join(h.get("gpus") or [str(h.get("cpu", ""))]) for h in self.hardware)
        return " / ".join(dict.fromkeys(filter(None, names)))

    @property
    def line(self) -> str:
        """One line for the page of all studies."""
        commits = ", ".join(commit[:10] for commit in self.commits)
        parts = [
            f"published {self.published}",
            f"{self.runs} runs",
            self.machines,
            "" if self.training_hours is None else f"{self.training_hours:.1f} h of training",
            f"commit {commits}",
        ]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True)
class TrainingCost:
    """What a training took on this machine.

    Args:
        cpu_seconds: processor time of its process.
        peak_mib: largest resident memory.
    """

    cpu_seconds: float
    peak_mib: int


def publication_of(
    study: str,
    records: Sequence[RunRecord],
    data: Iterable[str],
    costs: Sequence[TrainingCost] = (),
) -> Publication:
    """The record of a study whose runs are finished.

    Args:
        study: its name.
        records: of all its runs.
        data: keys of its data sets.
        costs: of the trainings that were measured here.

    Raises:
        InputError: a run's code differed from its commit, so that nobody can get it again.
    """
    for record in records:
        if record.commit == "none" or without_mark(record.commit) != record.commit:
            run = f"{record.variant}-{record.dataset}-{record.seed}"
            raise InputError(
                f"{run} was trained by code that no commit holds ({record.commit})",
                where=f"runs/{study}",
                remedy="commit the code, train that run again, then publish",
            )
    starts = [datetime.datetime.fromisoformat(record.started) for record in records]
    ends = [
        start + datetime.timedelta(seconds=record.train_seconds)
        for start, record in zip(starts, records, strict=True)
    ]
    measured = len(costs) == len(records)
    return Publication(
        study=study,
        published=datetime.date.today().isoformat(),
        commits=_once(record.commit for record in records),
        runs=len(records),
        seeds=sorted({record.seed for record in records}),
        hardware=_once(record.hardware for record in records),
        versions=_once(record.versions for record in records),
        training_hours=round(sum(record.train_seconds for record in records) / 3600, 3),
        wall_hours=round((max(ends) - min(starts)).total_seconds() / 3600, 3),
        cpu_hours=round(sum(c.cpu_seconds for c in costs) / 3600, 3) if measured else None,
        peak_mib=max(c.peak_mib for c in costs) if measured else None,
        images=sum(record.train_images * record.epochs for record in records),
        data=list(data),
    )


def _once(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def publish(
    root: Path, params: Params, costs: Mapping[str, TrainingCost] | None = None
) -> Publication:
    """Write the record of a study whose report is finished.

    Args:
        root: the project's folder.
        params: of the study.
        costs: of trainings that were measured on this machine, by the run's name.

    Raises:
        InputError: it has no report, a run is missing, or its code is not in git.
    """
    folder = root / "reports" / params.study.name
    if not (folder / "index.html").is_file():
        raise InputError(
            "no report",
            where=folder / "index.html",
            remedy=f"`make repro STUDY={params.study.name}` makes it",
        )
    runs = all_runs(params)
    records = [RunRecord.read(root / run.folder / "run.json") for run in runs]
    own = [costs[run.name] for run in runs if run.name in costs] if costs else []
    record = publication_of(params.study.name, records, params.datasets, own)
    record.write(folder / _FILE)
    return record


def retract_if_replaced(root: Path, study: str, records: Sequence[RunRecord]) -> bool:
    """Remove a study's record if its report is now about other runs; say whether it was removed.

    The study counts as unpublished until it is published again; git still has the report.

    Args:
        root: the project's folder.
        study: its name.
        records: of the runs that the report is about now.
    """
    path = root / "reports" / study / _FILE
    if not path.is_file():
        return False
    record = Publication.read(path)
    same = record.commits == _once(run.commit for run in records)
    if same and record.hardware == _once(run.hardware for run in records):
        return False
    path.unlink()
    return True


def published_studies(reports: Path) -> dict[str, Publication]:
    """The published studies by name.

    Args:
        reports: the folder of all reports.

    Raises:
        InputError: a record has other fields.
    """
    return {path.parent.name: Publication.read(path) for path in sorted(reports.glob(f"*/{_FILE}"))}


def stage_in_git(root: Path, record: Publication, variants: Collection[str]) -> int:
    """Add the files of a published study to git's index; nothing is committed.

    Predictions, pictures of people, and descriptions of rows that the study no longer has are left
    out.

    Args:
        root: the project's folder.
        record: of the study.
        variants: names of the study's rows.

    Returns:
        The number of files that git keeps of it.

    Raises:
        InputError: git refuses, or this is no repository.
    """
    reports = root / "reports"
    folder = reports / record.study
    stale = {p for p in (folder / "variants").glob("*.json") if p.stem not in variants}
    own = [path for path in folder.rglob("*") if path.is_file() and path not in stale]
    kept = [path for path in own if path.relative_to(folder).parts[0] not in _PRIVATE]
    kept += [path for key in record.data for path in reports.glob(f"data/{key}.*")]
    kept += [path for name in _SHARED if (path := root / name).is_file()]
    _git(root, "add", "-f", "--", *(path.relative_to(root).as_posix() for path in kept))
    if stale:
        former = [path.relative_to(root).as_posix() for path in stale]
        _git(root, "rm", "--cached", "-q", "--ignore-unmatch", "--", *former)
    return len(kept)


def _git(root: Path, *words: str) -> None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise InputError("git is not installed", where=root, remedy="install it") from error
    if done.returncode:
        raise InputError(
            done.stderr.strip().splitlines()[-1],
            where=root,
            remedy="publish in a clone of the project",
        )
