"""`dvc.lock` survives a kill at any time, and is mended where it did not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.example_study import PROJECT

from ferbench.cli.lifeline import dvc
from ferbench.cli.lock import mend_lock_file

# The first stages of the real file; for all of them DVC's schema takes seconds.
REAL = (PROJECT / "dvc.lock").read_text(encoding="utf-8")
TEXT = REAL[: [match.start() for match in re.finditer(r"^  \S", REAL, re.MULTILINE)][12]]
WHOLE = yaml.load(TEXT, Loader=yaml.CSafeLoader)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("share", [0.0001, 0.2, 0.5, 0.9, 0.99999])
def test_the_whole_stages_of_a_damaged_file_are_kept(folder: Path, share: float) -> None:
    cut = TEXT[: int(share * len(TEXT))]
    (folder / "dvc.lock").write_text(cut)
    left = mend_lock_file()
    assert (folder / "dvc.lock.damaged").read_text() == cut
    if left:
        mended = yaml.safe_load((folder / "dvc.lock").read_text())
        assert mended["schema"] == WHOLE["schema"]
        assert list(mended["stages"].items()) == list(WHOLE["stages"].items())[:left]
    assert (left or 0) >= int(share * len(WHOLE["stages"])) - 5
    assert mend_lock_file() is None, "what is mended is whole"


def test_a_line_that_is_cut_behind_its_key_is_damage(folder: Path) -> None:
    """Valid YAML, which DVC refuses: `expected str, in stages -> ... -> path`."""
    cut = TEXT[: TEXT.rindex("path:") + len("path:")] + "\n"
    assert yaml.load(cut, Loader=yaml.CSafeLoader)
    (folder / "dvc.lock").write_text(cut)
    assert mend_lock_file() == len(WHOLE["stages"]) - 1


def test_a_whole_file_and_none_are_left_alone(folder: Path) -> None:
    assert mend_lock_file() is None
    (folder / "dvc.lock").write_text(TEXT)
    assert mend_lock_file() is None
    assert (folder / "dvc.lock").read_text() == TEXT
    assert not (folder / "dvc.lock.damaged").exists()


def test_our_dvc_writes_its_lock_file_in_one_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is written in place keeps its inode."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(folder / "site"))
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], check=True)
    (folder / "dvc.yaml").write_text("stages: {one: {cmd: echo 1 > one, outs: [one]}}")
    (folder / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    held = (folder / "dvc.lock").open()  # else the number may be given again
    before = (folder / "dvc.lock").stat().st_ino
    subprocess.run(dvc("repro", "-q"), check=True)
    assert "cmd: echo 1 > one" in (folder / "dvc.lock").read_text()
    assert (folder / "dvc.lock").stat().st_ino != before
    held.close()
    assert not list(folder.glob(".partial-*"))
