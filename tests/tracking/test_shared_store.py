"""Checkouts that share one store, and stores that fail, with processes that train.

`test_store` tests the same faults without processes.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from tests.tiny_study import make_stored
from tests.tracking.test_ui import _wait_for
from tests.training.one_training import run_of, study

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]
CHECKOUTS, TRIES = 4, 3
CURVES = ("train_loss", "val_loss", "val_score", "lr", "seconds")


class Checkout:
    """A working folder and the process that runs in it."""

    def __init__(self, folder: Path, data: Path, store: str, seed: int = 0) -> None:
        self.folder, self._data, self._store, self.seed = folder, data, store, seed
        folder.mkdir()
        self.process: subprocess.Popen[str] | None = None

    def hold(self, point: str) -> None:
        (self.folder / f"hold_{point}").touch()

    def go(self, point: str) -> None:
        (self.folder / f"hold_{point}").unlink()

    def start(self, what: str) -> None:
        command = [sys.executable, "-m", "tests.training.one_training", what]
        words = [str(self.folder), str(self._data), str(self.seed)]
        log = self.folder / f"{what}.log"
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [*command, *words],
                cwd=PROJECT,
                env=os.environ | self._variables(),
                stdout=file,
                stderr=file,
                text=True,
            )

    def _variables(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self._store,
            "FERBENCH_CACHE": str(self.folder / ".cache"),
            "PYTHONWARNINGS": "ignore",
        }

    def wait_for(self, point: str) -> None:
        assert self.process is not None
        while not (self.folder / point).exists():
            assert self.process.poll() is None, self.log("train")
            time.sleep(0.05)

    def end(self) -> int:
        assert self.process is not None
        return self.process.wait()

    def run(self, what: str) -> int:
        self.start(what)
        return self.end()

    def log(self, what: str) -> str:
        return (self.folder / f"{what}.log").read_text()

    @property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / run_of(study(), self.seed).folder / "history.csv")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    make_stored(root)
    return root


def runs(store: str, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    client = MlflowClient(store)
    found = client.get_experiment_by_name(study().study.name)
    return [] if found is None else list(client.search_runs([found.experiment_id], "", view))


def assert_holds_once(store: str, run: Run, history: pd.DataFrame) -> None:
    """Every point of a history is recorded in a run exactly once."""
    client = MlflowClient(store)
    assert run.info.status == "FINISHED"
    for name in CURVES:
        points = client.get_metric_history(run.info.run_id, name)
        assert sorted(point.step for point in points) == history["epoch"].tolist(), name
        if name != "seconds":  # an epoch that was repeated took another time
            found = {point.step: point.value for point in points}
            assert found == dict(zip(history["epoch"], history[name], strict=True)), name


@pytest.mark.parametrize("_try", range(TRIES))
def test_checkouts_that_train_at_once_on_a_new_store_all_record_their_runs(
    tmp_path: Path, data: Path, _try: int
) -> None:
    """Two of them train the same key."""
    store = f"sqlite:///{tmp_path}/shared/runs.db"
    checkouts = [
        Checkout(tmp_path / f"checkout_{n}", data, store, seed=max(n - 1, 0))
        for n in range(CHECKOUTS)
    ]
    for checkout in checkouts:
        checkout.hold("ready")
        checkout.start("train")
    for checkout in checkouts:
        checkout.wait_for("ready")
    for checkout in checkouts:
        checkout.go("ready")
    statuses = [checkout.end() for checkout in checkouts]
    assert statuses == [0] * CHECKOUTS, "\n".join(c.log("train")[-2000:] for c in checkouts)
    assert [c.log("train").count("warning: ") for c in checkouts] == [0] * CHECKOUTS
    found = runs(store, ViewType.ALL)
    assert [run.info.lifecycle_stage for run in found] == ["active"] * CHECKOUTS
    by_checkout = {run.data.tags["ferbench.checkout"].partition(":")[2]: run for run in found}
    assert len({run.data.tags["run_key"] for run in found}) == CHECKOUTS - 1
    for checkout in checkouts:
        assert_holds_once(store, by_checkout[str(checkout.folder)], checkout.history)


def test_killed_training_resumes_its_mlflow_run_which_other_checkouts_leave_alone(
    tmp_path: Path, data: Path
) -> None:
    store = f"sqlite:///{tmp_path}/runs.db"
    first, second = (Checkout(tmp_path / name, data, store) for name in ("one", "two"))
    first.hold("epoch_1")
    first.start("train")
    first.wait_for("epoch_1")
    (begun,) = runs(store)
    assert second.run("train") == 0  # while the first is alive, and holds the same key
    assert len(runs(store)) == 2
    assert runs(store)[-1].info.status == "RUNNING"
    assert first.process is not None
    first.process.kill()
    first.end()
    first.go("epoch_1")
    assert first.run("train") == 0
    assert first.run("track") == second.run("track") == 0
    assert {run.info.run_id for run in runs(store, ViewType.ALL)} >= {begun.info.run_id}
    found = {run.data.tags["ferbench.checkout"].partition(":")[2]: run for run in runs(store)}
    assert len(runs(store, ViewType.ALL)) == len(found) == 2
    assert found[str(first.folder)].info.run_id == begun.info.run_id
    for checkout in (first, second):
        assert_holds_once(store, found[str(checkout.folder)], checkout.history)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("begin exclusive")
        yield
        database.execute("rollback")


@contextmanager
def overwritten(file: Path, change: Callable[[Path], None]) -> Iterator[None]:
    """A store that is damaged for a while."""
    kept = Path(shutil.copy(file, file.with_suffix(".kept")))
    change(file)
    yield
    kept.replace(file)


@contextmanager
def junk(file: Path) -> Iterator[None]:
    with overwritten(file, lambda path: path.write_bytes(b"no database" * 1000) and None):
        yield


@contextmanager
def of_another_version(file: Path) -> Iterator[None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.execute("update alembic_version set version_num = '000000000000'")
            database.commit()

    with overwritten(file, change):
        yield


@contextmanager
def read_only(file: Path) -> Iterator[None]:
    """Neither the file nor its folder can be written; by root too, where the file system allows."""
    places = [file, file.parent]
    if os.geteuid() == 0:
        done = subprocess.run(["chattr", "+i", *map(str, places)], check=False, capture_output=True)
        if done.returncode:
            pytest.skip("root writes everywhere on this file system")
    else:
        file.chmod(0o444)
        file.parent.chmod(0o555)
    try:
        yield
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", *map(str, places)], check=True)
        else:
            file.parent.chmod(0o755)
            file.chmod(0o644)


@contextmanager
def deleted(file: Path) -> Iterator[None]:
    file.unlink()
    yield


FAULTS = {
    "locked": (locked, "is locked by another process"),
    "junk": (junk, "is damaged or not an SQLite database"),
    "of_another_version": (
        of_another_version,
        "does not have the tables of this version of MLflow",
    ),
    "read_only": (read_only, "cannot be written"),
    "deleted": (deleted, "has been deleted or replaced since it was opened"),
}


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "deleted"])
def test_training_that_starts_without_its_store_is_recorded_later(
    tmp_path: Path, data: Path, empty_store: Path, fault: str
) -> None:
    (tmp_path / "store").mkdir()
    file = Path(shutil.copy(empty_store, tmp_path / "store" / "runs.db"))
    checkout = Checkout(tmp_path / "checkout", data, f"sqlite:///{file}")
    make, words = FAULTS[fault]
    with make(file):
        assert checkout.run("train") == 0, checkout.log("train")
        assert_warns_once(checkout, f"warning: sqlite:///{file}: {words}")
    assert_is_recorded_later(checkout, f"sqlite:///{file}")


@pytest.mark.parametrize("fault", ["locked", "deleted", "junk", "read_only"])
def test_training_that_loses_its_store_midway_is_recorded_later(
    tmp_path: Path, data: Path, empty_store: Path, fault: str
) -> None:
    (tmp_path / "store").mkdir()
    file = Path(shutil.copy(empty_store, tmp_path / "store" / "runs.db"))
    checkout = Checkout(tmp_path / "checkout", data, f"sqlite:///{file}")
    make, words = FAULTS[fault]
    checkout.hold("epoch_0")
    checkout.start("train")
    checkout.wait_for("epoch_0")
    with make(file):
        checkout.go("epoch_0")
        assert checkout.end() == 0, checkout.log("train")
        assert_warns_once(checkout, f"warning: sqlite:///{file}: {words}")
    assert_is_recorded_later(checkout, f"sqlite:///{file}")


@contextmanager
def refusing(port: int) -> Iterator[None]:
    del port
    yield


@contextmanager
def silent(port: int) -> Iterator[None]:
    """A port whose queue is full: connecting to it hangs."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield


@contextmanager
def served(file: Path, port: int) -> Iterator[None]:
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words, "--backend-store-uri", f"sqlite:///{file}"],
        cwd=file.parent,
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.mark.parametrize("fault", [refusing, silent])
def test_training_with_a_silent_server_is_recorded_later(
    tmp_path: Path, data: Path, empty_store: Path, fault: Callable[[int], object]
) -> None:
    file = Path(shutil.copy(empty_store, tmp_path / "runs.db"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"http://me:secret@127.0.0.1:{port}"
    checkout = Checkout(tmp_path / "checkout", data, store)
    with fault(port):  # type: ignore[attr-defined]
        assert checkout.run("train") == 0, checkout.log("train")
        assert_warns_once(checkout, f"warning: http://127.0.0.1:{port}: does not answer")
        assert checkout.run("track") == 2
        assert f"error: http://127.0.0.1:{port}: does not answer" in checkout.log("track")
        assert "secret" not in checkout.log("track") + checkout.log("train")
    with served(file, port):
        assert_is_recorded_later(checkout, f"http://127.0.0.1:{port}")


def assert_warns_once(checkout: Checkout, start: str) -> None:
    """The log holds one message of the fault, which starts so, and no traceback."""
    log = checkout.log("train")
    assert log.count("warning: ") == 1, log
    assert start in log
    assert "remedy: " in log
    assert "Traceback" not in log
    assert "ERROR mlflow" not in log


def assert_is_recorded_later(checkout: Checkout, store: str) -> None:
    for _ in range(2):  # the second time adds nothing
        assert checkout.run("track") == 0, checkout.log("track")
    (run,) = runs(store)
    assert_holds_once(store, run, checkout.history)
