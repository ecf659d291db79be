"""A lock names its holder, and is free as soon as the holder is gone, however it ended."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ferbench.errors import InputError
from ferbench.locks import held

HOLD = """
import sys, time
from pathlib import Path
from ferbench.locks import held
with held(Path(sys.argv[1]), "the kitchen"):
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


def test_a_lock_that_is_held_is_refused_with_its_holder(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    told = pytest.raises(InputError, match="the kitchen is in use by")
    with told as caught, held(tmp_path / "lock", "the kitchen"):
        pytest.fail("two processes hold one lock")
    assert f"process {holder.pid} ({sys.executable}" in str(caught.value)
    assert f"kill {holder.pid}" in caught.value.remedy


def test_a_killed_holder_frees_its_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "lock.owner").exists(), "it had no time to remove its name"
    with held(tmp_path / "lock", "the kitchen"):
        pass
    assert not (tmp_path / "lock.owner").exists()


def test_a_lock_is_waited_for(
    tmp_path: Path, holder: subprocess.Popen[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Kill(logging.Handler):
        """Kills the holder once it is waited for."""

        def emit(self, record: logging.LogRecord) -> None:
            if "waiting" in record.getMessage():
                holder.kill()

    logger, handler = logging.getLogger("ferbench.locks"), Kill()
    logger.addHandler(handler)
    try:
        with held(tmp_path / "lock", "the kitchen", wait_s=60):
            assert f"for process {holder.pid}" in caplog.text
    finally:
        logger.removeHandler(handler)


def test_a_block_that_fails_frees_its_lock(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError), held(tmp_path / "lock", "the kitchen"):
            raise RuntimeError
