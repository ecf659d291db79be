"""A lock names its holder and is free once the holder has ended, however it ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from ferbench.errors import InputError
from ferbench.locks import Process, held

HOLD = """
import sys, time
from pathlib import Path
from ferbench.locks import held
with held(Path(sys.argv[1]), "the checkout"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """A process that holds the lock `lock`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_held_lock_is_refused_with_its_holder(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    refused = pytest.raises(InputError, match="the checkout is in use by")
    with refused as caught, held(tmp_path / "lock", "the checkout"):
        pytest.fail("two processes hold one lock")
    assert f"process {holder.pid} ({sys.executable}" in str(caught.value)
    assert f"kill {holder.pid}" in caught.value.remedy


def test_lock_of_a_killed_holder_is_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "lock.owner").exists(), "it had no time to remove its name"
    with held(tmp_path / "lock", "the checkout"):
        pass
    assert not (tmp_path / "lock.owner").exists()


@pytest.mark.parametrize("wait_s", [60.0, None])
def test_lock_is_waited_for(
    tmp_path: Path,
    holder: subprocess.Popen[str],
    caplog: pytest.LogCaptureFixture,
    wait_s: float | None,
) -> None:
    class Kill(logging.Handler):
        """Kills the holder once it is waited for."""

        def emit(self, record: logging.LogRecord) -> None:
            if "waiting" in record.getMessage():
                holder.kill()

    logger, handler = logging.getLogger("ferbench.locks"), Kill()
    logger.addHandler(handler)
    try:
        with held(tmp_path / "lock", "the checkout", wait_s=wait_s):
            assert f"for process {holder.pid}" in caplog.text
    finally:
        logger.removeHandler(handler)


def test_lock_is_released_by_an_exception(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError), held(tmp_path / "lock", "the checkout"):
            raise RuntimeError


def test_lock_is_reentrant_and_names_its_owner_until_the_outer_block_ends(tmp_path: Path) -> None:
    owner = tmp_path / "lock.owner"
    with held(tmp_path / "lock", "the checkout"):
        with held(tmp_path / "lock", "the checkout"):
            pass
        assert Process.from_json(owner.read_text()) == Process.current()
    assert not owner.exists()


def test_lock_is_held_without_its_owner_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock.owner").symlink_to("/dev/full")
    with held(tmp_path / "lock", "the checkout"):
        pass


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({}, False),
        ({"host": "another machine"}, True),
        ({"space": "pid:[1]"}, True),
        ({"pid": 1, "started": 0.0}, False),  # the number was given to another process since
        ({"pid": 2**22 + 1}, False),  # Linux gives no such number
    ],
)
def test_process_counts_as_alive_unless_it_is_known_to_have_ended(
    change: dict[str, Any], other: bool
) -> None:
    assert replace(Process.current(), **change).is_other() is other


def test_live_parent_is_another_process() -> None:
    parent = psutil.Process(os.getppid())
    found = replace(Process.current(), pid=parent.pid, started=parent.create_time())
    assert found.is_alive()
    assert found.is_other()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "nobody"])
def test_text_that_describes_no_process_is_none(text: str) -> None:
    assert Process.from_json(text) is None


def test_process_is_read_as_it_was_written() -> None:
    assert Process.from_json(Process.current().to_json()) == Process.current()
