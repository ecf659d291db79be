"""Atomic writes, JSON and digests."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from ferbench.files import (
    PARTIAL,
    digest,
    fresh_folder,
    md5_file,
    read_json,
    sha256_file,
    whole_file,
    write_json,
)


def test_completed_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    for text in ("old", "new"):
        with whole_file(path) as temporary:
            assert temporary.suffix == ".csv", "writers that go by the suffix must see it"
            temporary.write_text(text)
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_failed_write_leaves_the_old_file_only(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="power cut"), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("power cut")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_partial_files_of_dead_processes_are_removed_and_of_live_ones_kept(
    tmp_path: Path,
) -> None:
    """A killed stage's folder stood beside its output for good, and entered DVC's hash."""
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    for name in (f"{PARTIAL}{dead.pid}-x-out.csv", f"{PARTIAL}{os.getppid()}-x-out.csv"):
        (tmp_path / name).touch()
    (tmp_path / f"{PARTIAL}{dead.pid}-x-out").mkdir()
    (tmp_path / f"{PARTIAL}{dead.pid}-x-out" / "half").touch()
    with whole_file(tmp_path / "out.csv") as temporary:
        temporary.write_text("new")
    with fresh_folder(tmp_path / "out"):
        pass
    kept = f"{PARTIAL}{os.getppid()}-x-out.csv"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([kept, "out", "out.csv"])


def test_dvc_ignores_partial_files() -> None:
    ignored = (Path(__file__).parents[1] / ".dvcignore").read_text().splitlines()
    assert f"{PARTIAL}*" in ignored


def test_fresh_folder_replaces_the_old_one_completely(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    (path / "stale").touch()
    with fresh_folder(path) as temporary:
        (temporary / "new").touch()
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(RuntimeError, match="power cut"), fresh_folder(path) as temporary:
        (temporary / "new").touch()
        raise RuntimeError("power cut")
    assert [entry.name for entry in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    value = {"emotion": "Überraschung", "counts": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_checksums_equal_hashlib(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    path = tmp_path / "bytes"
    path.write_bytes(content)
    assert md5_file(path) == hashlib.md5(content).hexdigest()
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_digest_depends_on_values_and_order_of_lists_only() -> None:
    assert digest({"a": [1, 2], "b": {"c": 1}}) == digest({"b": {"c": 1}, "a": [1, 2]})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    # printf '{"a":1}' | sha256sum
    assert digest({"a": 1}).startswith("015abd7f5cc57a2dd94b7590f04ad808")
