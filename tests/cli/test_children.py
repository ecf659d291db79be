"""Child processes end with the block that started them, with all that they have started."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ferbench.cli import children as module
from ferbench.cli.children import Children

# A shell with a grandchild, as DVC runs a stage; both write who they are. The grandchild, as a job
# in the background of a shell, does not heed an interrupt.
NEST = "echo $$ > {0}; sleep 600 & echo $! >> {0}; wait"


def _alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_status_and_output_are_the_childs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with Children() as children:
        assert children.run([sys.executable, "-u", "-c", code], log) == 3
    assert log.read_text() == "out\nerr\n"


def test_stages_find_this_environments_python(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Children() as children:
        assert children.run(["sh", "-c", "command -v python"], log) == 0
    assert Path(log.read_text().strip()).parent == Path(sys.executable).parent


def test_stop_ends_a_child_with_all_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    names = tmp_path / "names"
    statuses: list[int] = []
    with Children() as children:
        command = ["bash", "-c", NEST.format(names)]
        thread = threading.Thread(target=lambda: statuses.append(children.run(command)))
        thread.start()
        while not (names.exists() and len(names.read_text().split()) == 2):
            time.sleep(0.01)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert statuses != [0]
    numbers = [int(word) for word in names.read_text().split()]
    for _ in range(1000):  # they are killed; the kernel may still be at it
        if not any(_alive(number) for number in numbers):
            break
        time.sleep(0.01)
    else:
        pytest.fail("processes are left behind")


def test_nothing_is_started_after_stop(tmp_path: Path) -> None:
    with Children() as children:
        children.stop()
        assert children.run(["touch", str(tmp_path / "started")]) == 130
    assert not (tmp_path / "started").exists()
