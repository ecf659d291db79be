"""The digest of a study's data: what changes it and what does not; which stages depend on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.example_study import PROJECT

from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.study_data import digest_study_data
from ferbench.errors import InputError

SHARED = ("data/audit", "data/interim", "data/splits", "reports/data")


def make(root: Path, key: str) -> DatasetPaths:
    """The tables of a data set, whose content does not matter here."""
    paths = DatasetPaths(key, root)
    files = [paths.index, paths.dedup_summary, paths.split, paths.split_summary]
    files += [paths.report, paths.baselines, paths.audit_report, paths.audit / "leaks.parquet"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{key} {file.name}")
    return paths


def test_another_studys_data_set_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path, "ckplus")
    before = digest_study_data(["ckplus"], tmp_path)
    make(tmp_path, "ckplus_stratified")
    assert digest_study_data(["ckplus"], tmp_path) == before
    assert list(before.datasets) == ["ckplus"]


@pytest.mark.parametrize(
    "table",
    ["index", "dedup_summary", "split", "split_summary", "report", "baselines", "audit_report"],
)
def test_every_table_of_its_own_data_set_counts(tmp_path: Path, table: str) -> None:
    path: Path = getattr(make(tmp_path, "ckplus"), table)
    before = digest_study_data(["ckplus"], tmp_path)
    path.write_text("other")
    assert digest_study_data(["ckplus"], tmp_path) != before
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        digest_study_data(["ckplus"], tmp_path)


def test_every_file_of_the_audit_counts(tmp_path: Path) -> None:
    paths = make(tmp_path, "ckplus")
    before = digest_study_data(["ckplus"], tmp_path)
    (paths.audit / "pairs.parquet").write_text("new")
    assert digest_study_data(["ckplus"], tmp_path) != before


def test_no_other_stage_depends_on_the_data_of_all_studies() -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    depend = {
        name: [dep for dep in stage.get("do", stage)["deps"] if dep in SHARED]
        for name, stage in stages.items()
    }
    assert {name for name, deps in depend.items() if deps} == {"study_data"}
    assert sorted(depend["study_data"]) == sorted(SHARED)
