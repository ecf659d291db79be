"""Processes end with the one that started them, also when that one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ferbench.cli import lifeline, lock
from ferbench.cli.lifeline import watch
from ferbench.errors import InputError

STAGE = """
import os, time
from pathlib import Path
from ferbench.cli.stage import run_stage

def main():
    Path("pid").write_text(str(os.getpid()))
    time.sleep(600)

run_stage(main)
"""
# Wrapped in a command that a shell does not replace itself with.
PIPELINE = "stages: {slow: {cmd: 'python stage.py; echo', outs: [pid]}}"


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


@pytest.mark.parametrize("handles", [True, False])
def test_the_end_of_a_process_is_noticed(monkeypatch: pytest.MonkeyPatch, handles: bool) -> None:
    if not handles:  # as on systems other than Linux
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr(lifeline, "_POLL_S", 0.01)
    noticed = threading.Event()
    with subprocess.Popen(["sleep", "600"]) as process:
        watch(process.pid, noticed.set)
        assert not noticed.wait(0.2)
        process.kill()
        assert noticed.wait(60)


def test_a_process_that_is_not_there_has_ended() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    noticed = threading.Event()
    watch(process.pid, noticed.set)
    assert noticed.wait(60)


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC project whose one stage sleeps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], check=True)
    return tmp_path


@pytest.mark.thorough
def test_a_stage_ends_when_its_dvc_is_killed(dvc: Path) -> None:
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_until((dvc / "pid").exists)
        wait_until((dvc / "pid").read_text)
        stage = int((dvc / "pid").read_text())
        assert not gone(stage)
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: gone(stage))


def test_dvc_at_work_is_named_before_anything_is_changed(
    dvc: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "GRACE_S", 0.1)
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        wait_until((dvc / "pid").exists)
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        lock.refuse_other_dvc()  # DVC in another folder is no obstacle
        monkeypatch.chdir(dvc)
        with pytest.raises(
            InputError, match=f"DVC is at work in this folder: process {process.pid}"
        ):
            lock.refuse_other_dvc()
        os.killpg(process.pid, signal.SIGKILL)
    lock.refuse_other_dvc()
