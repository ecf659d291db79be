"""The commands that DVC processes of ferbench have besides DVC's own, run by the real DVC."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dvc import rwlock

from ferbench.cli.dvc_commands import release_locks_of_zombies
from ferbench.cli.flow import Flow, read_state
from ferbench.cli.lifeline import dvc
from ferbench.errors import InputError

PIPELINE = """
stages:
  split:
    cmd: mkdir faces && echo one > faces/one && echo split >> ran
    deps: [raw]
    outs: [faces]
  describe:
    cmd: echo small > description && echo describe >> ran
    outs:
      - description: {cache: false}
  train:
    matrix: {seed: [0, 1]}
    cmd: cat faces/one description > model${item.seed} && echo train >> ran
    deps: [faces/one, description]
    outs: ["model${item.seed}"]
  evaluate:
    matrix: {seed: [0, 1]}
    cmd: cp model${item.seed} answer${item.seed} && echo evaluate >> ran
    deps: ["model${item.seed}", faces/one]
    outs: ["answer${item.seed}"]
"""


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(dvc(*words), capture_output=True, text=True, check=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a pipeline and a remote, which is the current folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "raw").write_text("raw")
    for words in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(words, check=True)
    assert (
        call("remote", "add", "-q", "--default", "store", str(tmp_path / "store")).returncode == 0
    )
    return folder


@pytest.mark.thorough
def test_one_process_reports_what_dag_and_status_do(home: Path) -> None:
    assert call("repro", "-q", "-s", "split", "describe").returncode == 0
    state = read_state()
    assert state.flow.needs == {
        "split": frozenset(),
        "describe": frozenset(),
        "train@0": {"split", "describe"},
        "train@1": {"split", "describe"},
        "evaluate@0": {"train@0", "split"},
        "evaluate@1": {"train@1", "split"},
    }
    drawn = call("dag", "--dot").stdout.replace('"', "")
    edges = {(after, before) for after, all_ in state.flow.needs.items() for before in all_}
    assert all(f"{before} -> {after};" in drawn for after, before in edges)
    assert drawn.count("->") == len(edges)
    assert state.stale == set(json.loads(call("status", "--json").stdout))
    assert state.stale == {"train@0", "train@1", "evaluate@0", "evaluate@1"}


@pytest.mark.thorough
def test_inputs_of_a_run_are_those_that_none_of_its_stages_writes(home: Path) -> None:
    flow = read_state().flow
    assert flow.inputs_of(["train@0", "evaluate@0"]) == {
        str(Path("faces", "one")): True,
        "description": False,
    }
    assert flow.inputs_of(["evaluate@0"]) == {"model0": True, str(Path("faces", "one")): True}
    assert Flow({"a": frozenset()}).inputs_of(["a"]) == {}


@pytest.mark.thorough
def test_a_broken_pipeline_is_reported_in_dvcs_words(home: Path) -> None:
    Path("dvc.yaml").write_text("stages: [")
    with pytest.raises(InputError, match="DVC cannot read the pipeline"):
        read_state()


@pytest.mark.slow
def test_what_another_clone_has_pushed_is_restored_and_nothing_is_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ["train@0", "evaluate@0"]
    assert call("repro", "-q", "-s", "split", "describe", *run).returncode == 0
    assert call("push", "-q", "--run-cache").returncode == 0
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("dvc.yaml", "raw", "description", ".dvc/config", ".git"):
        (clone / name).parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", home / name, clone / name], check=True)
    monkeypatch.chdir(clone)
    done = call("restore", "split", *run, "train@1", "evaluate@1")
    assert done.returncode != 0
    assert "the remote has no results of evaluate@1, train@1" in done.stdout
    assert Path("answer0").read_text() == "one\nsmall\n"
    assert not Path("ran").exists()
    assert read_state().stale == {"describe", "train@1", "evaluate@1"}
    assert call("restore", *run).returncode == 0


@pytest.mark.slow
def test_nothing_is_restored_without_a_remote(home: Path) -> None:
    assert call("remote", "remove", "-q", "store").returncode == 0
    assert call("restore", "split").returncode != 0


@pytest.mark.slow
def test_commands_of_one_process_end_with_the_first_that_fails(home: Path) -> None:
    assert call("repro", "-q", "-s", "split", "&&", "repro", "-q", "-s", "describe").returncode == 0
    assert Path("ran").read_text() == "split\ndescribe\n"
    assert call("repro", "-q", "no_such", "&&", "repro", "-q", "-s", "train@0").returncode != 0
    assert not Path("model0").exists()


def test_a_process_that_nobody_has_waited_for_holds_no_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(psutil, "pid_exists", psutil.pid_exists)
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert rwlock.psutil.pid_exists(process.pid)
        release_locks_of_zombies()
        assert not rwlock.psutil.pid_exists(process.pid)
        assert rwlock.psutil.pid_exists(os.getpid())
