"""What every published number stands beside: seeds, hardware, versions, commit, protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.reporting.blocks import Table, Value
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import seeds_words

__all__ = ["environment_table", "source_line"]


def source_line(files: StudyFiles, key: str) -> str:
    """One line for below a table of one data set row."""
    name, protocol = files.place(key)
    runs = [run for run in files.runs if run["dataset"] == key]
    seeds = sorted({run["seed"] for run in runs})
    words = ", ".join(str(seed) for seed in seeds)
    return (
        f"{name} under {protocol}, test; {seeds_words(len(seeds))} ({words}); "
        f"{_distinct(runs, _hardware)}; commit {_distinct(runs, _short_commit)}"
    )


def environment_table(files: StudyFiles) -> Table:
    """Precision, machines, versions and commits, with how many runs each made."""
    kinds: dict[tuple[str, ...], int] = {}
    for run in files.runs:
        trained = (str(run["precision"]), str(run.get("devices", "")))
        kind = (*trained, _hardware(run), _versions(run), "".join(_commit(run)))
        kinds[kind] = kinds.get(kind, 0) + 1
    rows = tuple(
        {
            "precision": Value(precision, precision),
            "devices": Value(devices, devices),
            "hardware": Value(hardware, hardware),
            "versions": Value(versions, versions),
            "commit": Value(commit, commit),
            "runs": Value(str(number), number),
        }
        for (precision, devices, hardware, versions, commit), number in kinds.items()
    )
    return Table("environment", rows)


def _distinct(runs: list[Mapping[str, Any]], say: Any) -> str:
    return " / ".join(dict.fromkeys(say(run) for run in runs))


def _hardware(run: Mapping[str, Any]) -> str:
    return _flat(run["hardware"])


def _versions(run: Mapping[str, Any]) -> str:
    return _flat(run["versions"])


def _commit(run: Mapping[str, Any]) -> tuple[str, str]:
    """Hash and `-dirty` of a run's commit; older records mark changed code by `+`."""
    commit = str(run["commit"])
    head = commit.removesuffix("-dirty").removesuffix("+")
    return head, "" if head == commit else "-dirty"


def _short_commit(run: Mapping[str, Any]) -> str:
    head, dirty = _commit(run)
    return head[:10] + dirty


def _flat(value: Any) -> str:
    """A record's entries in one line; what is empty is left out."""
    if not isinstance(value, Mapping):
        return str(value)
    said = {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in value.items()}
    return ", ".join(f"{k} {v}" for k, v in said.items() if v not in (None, ""))
