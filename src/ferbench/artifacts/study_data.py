"""Digests of the tables that describe a study's data sets: `data/studies/<study>.json`.

Stages that read the tables of all of a study's data sets depend on this one file, because dvc.yaml
can name the folders of one data set, or those of all, but not those of a list. Another study's data
sets lie in the same folders and leave the file as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.runs import Record
from ferbench.errors import InputError
from ferbench.files import md5_file

__all__ = ["StudyData", "digest_study_data"]


class StudyData(Record):
    """The tables by data set and path below the project's root, with their MD5."""

    datasets: dict[str, dict[str, str]]


def digest_study_data(keys: Iterable[str], root: Path = Path()) -> StudyData:
    """What stages after training read of data sets: index, split, audit, counts and baselines.

    Args:
        keys: of the data sets in params.yaml.
        root: of the project.

    Raises:
        InputError: one of the files is absent.
    """
    return StudyData(datasets={key: _digests(DatasetPaths(key, root)) for key in keys})


def _digests(paths: DatasetPaths) -> dict[str, str]:
    files = [paths.index, paths.dedup_summary, paths.split, paths.split_summary]
    files += [paths.report, paths.baselines, paths.audit_report]
    for file in (*files, paths.audit):
        if not file.exists():
            raise InputError("missing", where=file, remedy="`dvc repro` writes it")
    files += sorted(file for file in paths.audit.rglob("*") if file.is_file())
    return {file.relative_to(paths.root).as_posix(): md5_file(file) for file in files}
