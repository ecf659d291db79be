"""What every published number depends on: rules, seeds, hardware, versions, commits."""

from __future__ import annotations

from collections import Counter

from ferbench.reporting.blocks import Block, Table, number, word
from ferbench.reporting.study_files import StudyFiles, commit_of, in_one_line

__all__ = ["build"]


def build(study: StudyFiles) -> Block:
    """The rules of the study in words, and the machines, versions and commits of its runs."""
    params = study.params
    selected = ", ".join(f"{task}: {metric}" for task, metric in params.train.select.items())
    seeds, tests = ", ".join(map(str, params.seeds)), ", ".join(params.compare.tests)
    return Block(
        "Protocol and environment",
        words=(
            "Copies are removed before any split; images with conflicting labels are dropped "
            "unless the study says otherwise.",
            f"Checkpoints are selected on val ({selected}); only the stage `evaluate` reads test, "
            "once.",
            f"Every variant is trained with the same seeds: {seeds}. No best-of run is reported.",
            f"Interval over seeds: {params.score.interval}. Tests: {tests}; correction: "
            f"{params.compare.correction}.",
        ),
        tables=(environment_table(study),),
        note="A commit with -dirty had uncommitted changes. Everything here is made by `dvc repro` "
        "from `params.yaml`.",
    )


def environment_table(study: StudyFiles) -> Table:
    """How, where and by which code runs were trained, with the number of runs of each kind."""
    columns = (
        *("precision", "memory_format", "devices", "augmented"),
        *("hardware", "versions", "commit"),
    )
    kinds = Counter(
        (
            run.precision,
            run.memory_format.replace("_", " "),
            run.devices,
            run.augmented,
            in_one_line(run.hardware),
            in_one_line(run.versions),
            commit_of(run),
        )
        for run in study.runs
    )
    rows = [
        {**{name: word(text) for name, text in zip(columns, kind, strict=True)}, "runs": number(n)}
        for kind, n in kinds.items()
    ]
    return Table("environment", rows, title="machines and versions")
