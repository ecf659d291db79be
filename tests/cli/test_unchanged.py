"""Any change of what DVC looked at is noticed; nothing else is taken for one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.cli.unchanged import FILE, fingerprint, keep_fingerprint, nothing_has_changed

PATHS = ["src", "src/a.py", "data/raw", "model.pt", "missing.csv"]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout whose fingerprint is kept, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("src/a.py", "src/deep/b.py", "data/raw/one.png", "data/other", "model.pt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        Path(name).write_text(name)
    assert not nothing_has_changed()
    keep_fingerprint(PATHS, fingerprint(PATHS))
    assert nothing_has_changed()


def touched(name: str) -> None:
    state = Path(name).stat()
    os.utime(name, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


def replaced(name: str) -> None:
    """Another file with the same size and times."""
    state, text = Path(name).stat(), Path(name).read_text()
    Path("new").write_text(text[::-1])
    os.utime("new", ns=(state.st_atime_ns, state.st_mtime_ns))
    Path("new").replace(name)


@pytest.mark.parametrize(
    "change",
    [
        lambda: touched("src/deep/b.py"),
        lambda: touched("model.pt"),
        lambda: replaced("model.pt"),
        lambda: Path("model.pt").unlink(),
        lambda: Path("missing.csv").touch(),
        lambda: Path("data/raw/two.png").touch(),
        lambda: Path("data/raw/empty").mkdir(),
        lambda: Path("data/raw/one.png").rename("data/raw/two.png"),
        lambda: shutil.rmtree("data/raw"),
        lambda: Path("params.yaml").write_text("changed"),
        lambda: Path("dvc.lock").unlink(),
        lambda: Path(".dvcignore").write_text("x"),
        lambda: FILE.write_text("{"),
        lambda: FILE.write_text("[]"),
        FILE.unlink,
    ],
)
def test_a_change_is_noticed(change: Callable[[], object]) -> None:
    change()
    assert not nothing_has_changed()


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("data/other").write_text("no path of the pipeline"),
        lambda: Path("params.yaml").write_text("params.yaml"),
        lambda: Path("src/__pycache__").mkdir(),
        lambda: Path("model.pt").read_text(),
    ],
)
def test_what_dvc_does_not_look_at_is_no_change(change: Callable[[], object]) -> None:
    change()
    assert nothing_has_changed()
