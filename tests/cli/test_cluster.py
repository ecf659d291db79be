"""Tasks on a Dask cluster of this process, with commands in place of DVC's.

`test_three_clones.py` has the real ones, and workers that are lost.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import psutil
import pytest
from distributed.core import Status

from ferbench.cli import cluster, tasks
from ferbench.cli.children import Children
from ferbench.cli.cluster import DaskEngine, counts_elsewhere
from ferbench.cli.session import FILE, Session
from ferbench.cli.tasks import Task
from ferbench.config.clusters import Cluster
from ferbench.errors import InputError
from ferbench.locks import Process

# A stage `ok` writes its process and waits for the file `go`; a stage `bad` fails.
CODE = """
import os, pathlib, sys, time
stage = sys.argv[-1]
if stage.startswith("bad"):
    print(f"ERROR: failed to reproduce '{stage}'")
    sys.exit(1)
pathlib.Path(f"pid-{stage}").write_text(str(os.getpid()))
print("in", os.environ["WARM"])
while not pathlib.Path("go").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskEngine]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tasks, "dvc", lambda *words: [sys.executable, "-c", CODE, *words])
    variables = {"WARM": "the process of ferbench repro"}
    with Children() as children, DaskEngine(children, Cluster(), 2, variables) as opened:
        yield opened


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


def test_tasks_run_side_by_side_and_a_stage_that_fails_is_an_outcome(
    engine: DaskEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [Path("pid-ok@1"), Path("pid-ok@2")]
    threading.Thread(
        target=lambda: (wait_until(lambda: all(map(Path.exists, both))), Path("go").touch())
    ).start()
    names = ["ok@1", "ok@2", "bad@1", "ok@3"]
    outcomes = engine.run([Task(name.upper(), (name,)) for name in names])
    assert {outcome.name: outcome.ok for outcome in outcomes} == {
        "OK@1": True,
        "OK@2": True,
        "BAD@1": False,
        "OK@3": True,
    }
    (bad,) = (outcome for outcome in outcomes if not outcome.ok)
    assert bad.failed == ("bad@1",)
    assert bad.tail == "ERROR: failed to reproduce 'bad@1'"
    assert bad.log == ".cache/logs/BAD@1.log"
    assert bad.worker == "", "threads of this process have no name of their own"
    assert Path(".cache/logs/OK@3.log").read_text() == "in the process of ferbench repro\n"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert " left" in lines[2]
    assert " left" not in lines[3]


@pytest.mark.thorough
def test_another_process_reads_the_state_of_tasks(engine: DaskEngine) -> None:
    found = []

    def look() -> None:
        wait_until(lambda: Path("pid-ok@1").exists() and Path("pid-ok@2").exists())
        code = (
            "from ferbench.cli.cluster import counts_elsewhere\n"
            "c = counts_elsewhere()\nprint(c.total, c.done, len(c.running), c.waiting, c.workers)"
        )
        wait_until(lambda: Session.read() is not None)
        while not found or found[-1] != "5 0 2 3 2\n":  # workers report every half second
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            found.append(done.stdout)
            assert len(found) < 20, (found, done.stderr)
        found.append(stat.filemode(FILE.stat().st_mode))
        Path("go").touch()

    thread = threading.Thread(target=look)
    thread.start()
    engine.run([Task(f"{i}", (f"ok@{i}",)) for i in range(1, 6)])
    thread.join()
    assert found[-1] == "-rw-------", "it holds a key"
    assert counts_elsewhere() is None, "no task is left"
    engine.__exit__(None, None, None)
    assert not FILE.exists()
    assert counts_elsewhere() is None


def test_only_the_loopback_interface_is_listened_on(engine: DaskEngine) -> None:
    Path("go").touch()
    engine.run([Task("a", ("ok@1",))])
    ends = [c.laddr for c in psutil.Process().net_connections() if c.status == "LISTEN"]
    assert ends
    assert {address.ip for address in ends} == {"127.0.0.1"}


def test_an_interrupt_ends_what_runs(engine: DaskEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        wait_until(lambda: len(list(Path().glob("pid-*"))) == 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "_outcomes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.run([Task(f"{i}", (f"ok@{i}",)) for i in range(4)])
    engine.__exit__(None, None, None)
    pids = [int(path.read_text()) for path in Path().glob("pid-*")]
    assert len(pids) == 2, "no other is started"
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.thorough
def test_tasks_go_on_after_the_process_was_stopped_for_longer_than_workers_may_be_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduler and workers share a loop, which Ctrl-Z or a suspended machine stops."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tasks, "dvc", lambda *words: [sys.executable, "-c", CODE, *words])
    monkeypatch.setenv("WARM", "")
    outcomes = []
    with (
        dask.config.set({"distributed.scheduler.worker-ttl": "1s"}),
        Children() as children,
        DaskEngine(children, Cluster(), 2, {}) as engine,
    ):
        names = ["ok@1", "ok@2", "ok@3"]
        run = threading.Thread(
            target=lambda: outcomes.extend(engine.run([Task(n, (n,)) for n in names])), daemon=True
        )
        run.start()
        wait_until(lambda: Path("pid-ok@2").exists())
        engine._opened().loop.add_callback(time.sleep, 7)  # Dask allows at least 5
        time.sleep(8)
        Path("go").touch()
        run.join(30)
        assert [outcome.ok for outcome in outcomes] == [True] * 3


def test_the_record_of_a_process_that_has_ended_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert counts_elsewhere() is None
    dead = {**json.loads(Process.current().to_json()), "started": 1.0}
    Session("s", "tcp://127.0.0.1:9", json.dumps(dead), group="g", total=3).write()
    assert counts_elsewhere() is None
    FILE.write_text("half of")
    assert counts_elsewhere() is None


def test_a_scheduler_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "_TIMEOUT_S", 0.2)
    where = Cluster(address="tcp://127.0.0.1:9")
    refused = pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9: the scheduler does not")
    with Children() as children, DaskEngine(children, where, 1, {}) as engine, refused:
        engine.run([Task("a", ("ok@1",))])
    Session("s", "tcp://127.0.0.1:9", Process.current().to_json(), group="g", total=3).write()
    with pytest.raises(InputError, match="its scheduler does not answer"):
        counts_elsewhere()


def test_a_class_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where = Cluster(cluster="no_such_package.SLURMCluster")
    refused = pytest.raises(InputError, match="install the package no_such_package")
    with Children() as children, DaskEngine(children, where, 1, {}) as engine, refused:
        engine.run([Task("a", ("ok@1",))])


class Lost:
    """A future that Dask has given up."""

    status = "error"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def exception(self) -> Exception:
        return self._error


def test_a_task_whose_workers_are_lost_again_and_again_is_a_failure() -> None:
    from distributed import KilledWorker
    from distributed.scheduler import WorkerState

    last = WorkerState(
        address="tcp://10.0.0.3:7",
        status=Status.running,
        pid=1,
        name="w",
        nthreads=1,
        memory_limit=0,
        local_directory="",
        nanny="",
        server_id="",
    )
    outcome = cluster._outcome(Lost(KilledWorker("key", last, 3)), "a-s-0")
    assert not outcome.ok
    assert outcome.tail == "4 workers were lost while they did it, the last tcp://10.0.0.3:7"
    broken = cluster._outcome(Lost(ModuleNotFoundError("no ferbench")), "a-s-0")
    assert broken.tail == "ModuleNotFoundError: no ferbench"


def test_dask_is_not_imported_before_there_is_a_task() -> None:
    code = (
        "import sys; from ferbench.cli.main import build_parser; build_parser(); "
        "import ferbench.cli.commands.repro; print('distributed' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
