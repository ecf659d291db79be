"""Where a number is from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ferbench.training.provenance import (
    code_digest,
    commit,
    hardware,
    versions,
)


def _git(*words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def test_outside_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert commit() == "none"


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == "none"


def test_changed_code_is_told_and_changed_params_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("src", "pipeline"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("1\n")
    (tmp_path / "params.yaml").write_text("1\n")
    _git("init")
    _git("add", ".")
    _git("commit", "-m", "first")
    clean = commit()
    assert len(clean) == 40
    (tmp_path / "params.yaml").write_text("2\n")
    assert commit() == clean
    (tmp_path / "src" / "a.py").write_text("2\n")
    assert commit() == clean + "+"


def test_the_digest_of_code_follows_its_bytes_alone(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    first, second = tmp_path / "part" / "a.py", tmp_path / "b.py"
    first.write_text("1\n")
    second.write_text("2\n")
    before = code_digest(tmp_path / "part", second)
    (tmp_path / "part" / "a.txt").write_text("notes\n")
    assert code_digest(tmp_path / "part", second) == before
    first.write_text("3\n")
    assert code_digest(tmp_path / "part", second) != before


def test_hardware_and_versions_are_plain_values() -> None:
    assert hardware()["cores"] >= 1
    assert {"python", "torch", "ultralytics"} <= versions().keys()
    assert all(isinstance(word, str) for word in versions().values())
