"""Provenance of a result."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import torch

from ferbench.training.provenance import code_digest, commit, hardware, versions


def _git(*words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def test_commit_is_none_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert commit() == "none"


def test_commit_is_none_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == "none"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one file a folder, committed."""
    monkeypatch.chdir(tmp_path)
    for name in ("src/part/a.py", "pipeline/a.py", "studies/a.yaml", "reports/a.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1\n")
    for name in ("params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("1\n")
    _git("init")
    _git("add", ".")
    _git("commit", "-m", "first")
    return tmp_path


def test_commit_of_unchanged_code_is_the_full_hash(repository: Path) -> None:
    assert re.fullmatch("[0-9a-f]{40}", commit())


@pytest.mark.parametrize("name", ["src/part/a.py", "pipeline/a.py", "studies/a.yaml"])
def test_commit_is_dirty_with_changed_code_or_studies(repository: Path, name: str) -> None:
    clean = commit()
    (repository / name).write_text("2\n")
    assert commit() == f"{clean}-dirty"


@pytest.mark.parametrize("name", ["src/part/new.py", "src/new.py", "pipeline/new.py"])
def test_commit_is_dirty_with_an_untracked_python_file(repository: Path, name: str) -> None:
    clean = commit()
    (repository / name).write_text("1\n")
    assert commit() == f"{clean}-dirty"


@pytest.mark.parametrize("name", ["params.yaml", "dvc.lock", "reports/a.json", "src/notes.txt"])
def test_commit_ignores_files_that_a_pipeline_writes(repository: Path, name: str) -> None:
    clean = commit()
    (repository / name).write_text("2\n")
    assert commit() == clean


def test_code_digest_depends_on_python_files_only(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    first, second = tmp_path / "part" / "a.py", tmp_path / "b.py"
    first.write_text("1\n")
    second.write_text("2\n")
    before = code_digest([tmp_path / "part", second])
    (tmp_path / "part" / "a.txt").write_text("notes\n")
    assert code_digest([tmp_path / "part", second]) == before
    first.write_text("3\n")
    assert code_digest([tmp_path / "part", second]) != before


def test_hardware_and_versions_are_plain_values() -> None:
    assert hardware()["cores"] >= 1
    assert {"python", "torch", "ultralytics"} <= versions().keys()
    assert all(isinstance(word, str) for word in versions().values())


def test_commit_outside_git_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FERBENCH_COMMIT", "0123abc")
    assert commit() == "0123abc"


def test_versions_name_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferbench.training.provenance._LIBRARIES", ("torch", "no-such-library"))
    assert versions()["no-such-library"] == "not installed"
    assert torch.__version__.startswith(versions()["torch"])
