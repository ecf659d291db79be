"""A store that cannot serve is named, with the remedy, in the time that a user waits."""

from __future__ import annotations

import errno
import logging
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from ferbench import environment
from ferbench.files import PARTIAL
from ferbench.tracking import store
from ferbench.tracking.runs import experiment_id, open_run
from ferbench.tracking.store import (
    StoreError,
    artifact_place,
    connect,
    one_at_a_time,
    patient_uploads,
    shown,
    sqlite_file,
    store_faults,
)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for locks are over at once."""
    monkeypatch.setattr(store, "_BUSY_S", 0.05)
    monkeypatch.setattr(store, "_MAKING_S", 0.05)


def junk(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def change(statement: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(statement)

    return act


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (junk, "is no SQLite database, or a damaged one"),
        (change("update alembic_version set version_num = 'x'"), "schema x instead of"),
        (change("delete from alembic_version"), "schema none instead of"),
        (change("drop table alembic_version"), "schema none instead of"),
    ],
)
def test_a_store_that_mlflow_cannot_read_is_refused_and_left_as_it_is(
    own_store: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(own_store)
    before = own_store.read_bytes()
    with pytest.raises(StoreError) as told:
        connect()
    assert words in told.value.what
    assert told.value.where == f"sqlite:///{own_store}"
    assert told.value.remedy
    assert own_store.read_bytes() == before


def test_a_database_of_another_program_gets_no_tables_of_mlflow(own_store: Path) -> None:
    own_store.unlink()
    change("create table poems (line text)")(own_store)
    with pytest.raises(StoreError, match="schema none instead of"):
        connect()
    with closing(sqlite3.connect(own_store)) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("poems",)]


@pytest.mark.usefixtures("hasty")
def test_a_locked_store_is_named(own_store: Path) -> None:
    with closing(sqlite3.connect(own_store, isolation_level=None)) as database:
        database.execute("begin exclusive")
        with pytest.raises(StoreError, match="is locked by another process"):
            connect()


def test_a_store_that_is_locked_for_a_moment_is_waited_for(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses one of two processes at once if both have read before they write."""
    client = connect()
    refusals = [OperationalError("insert", {}, sqlite3.OperationalError("database is locked"))] * 3
    create = MlflowClient.create_experiment

    def refused(self: MlflowClient, name: str, **words: object) -> str:
        if refusals:
            raise MlflowException("busy") from refusals.pop()
        return str(create(self, name, **words))

    monkeypatch.setattr(MlflowClient, "create_experiment", refused)
    assert experiment_id(client, "demo")
    assert refusals == []


def test_a_store_that_is_deleted_while_it_is_open_is_named(own_store: Path) -> None:
    run = open_run("demo", "a", "k" * 64, {})
    own_store.unlink()
    with pytest.raises(StoreError, match="has been deleted or replaced since it was opened"):
        run.log_values({"accuracy": 0.5})


def test_a_store_that_cannot_be_written_is_named(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///file:{own_store}?mode=ro&uri=true")
    with pytest.raises(StoreError, match="cannot be written"):
        open_run("demo", "a", "k" * 64, {})


def test_a_folder_that_cannot_be_written_is_named(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(StoreError, match="cannot be written") as told:
        connect()
    assert str(own_store.parent) in told.value.what


def test_a_place_below_a_file_is_refused(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_store}/runs.db")
    with pytest.raises(StoreError, match="cannot be used"):
        connect()


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_server_that_refuses_is_named_without_its_credentials(
    own_store: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", f"{scheme}://me:hunter2@127.0.0.1:9/a?password=hunter2"
    )
    with pytest.raises(StoreError, match="does not answer") as told:
        connect()
    assert told.value.where == f"{scheme}://127.0.0.1:9/a"
    assert "hunter2" not in str(told.value)


def test_a_server_that_is_silent_is_named(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()  # and never accepts
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(StoreError, match="does not answer"):
            connect()


def test_the_limits_of_a_server_end_within_half_a_minute() -> None:
    limits = {k: int(v) for k, v in environment.SWITCHES.items() if k.startswith("MLFLOW_HTTP")}
    tries = limits["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] + 1
    pauses = sum(limits["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] * 2**n + 1 for n in range(tries - 2))
    assert tries * limits["MLFLOW_HTTP_REQUEST_TIMEOUT"] + pauses <= 30


def test_an_upload_may_take_longer_unless_the_user_has_set_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    monkeypatch.setenv(name, environment.SWITCHES[name])
    with patient_uploads():
        assert store.os.environ[name] == "300"
    assert store.os.environ[name] == environment.SWITCHES[name]
    monkeypatch.setenv(name, "3")
    with patient_uploads():
        assert store.os.environ[name] == "3"


def test_a_driver_that_is_not_installed_is_named(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="database driver that is not installed"), store_faults():
        raise ModuleNotFoundError("No module named 'psycopg2'")


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database or disk is full"),
        OSError(errno.ENOSPC, "No space left on device", "read.png", None, "store/written.png"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
    ],
)
def test_a_full_disk_stays_a_full_disk(own_store: Path, error: Exception) -> None:
    with pytest.raises(OSError, match=r"No space|quota") as told, store_faults():
        raise MlflowException("cannot log") from error
    assert told.value.errno in (errno.ENOSPC, errno.EDQUOT)
    expected = "store/written.png" if getattr(error, "filename2", None) else str(own_store)
    assert told.value.filename == expected


def test_what_is_no_fault_of_a_store_is_let_through(own_store: Path) -> None:
    client = connect()
    with pytest.raises(MlflowException, match="no-such-run"):
        client.get_run("no-such-run")
    with pytest.raises(ZeroDivisionError), store_faults():
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), store_faults():
        Path("nowhere").read_text()


def test_a_new_store_appears_whole_and_leaves_of_a_killed_maker_go(own_store: Path) -> None:
    own_store.unlink()
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    for kind in ("", "-journal"):
        junk(own_store.with_name(f"{PARTIAL}{killed.pid}-x-{own_store.name}{kind}"))
    connect()
    assert sorted(path.name for path in own_store.parent.iterdir()) == ["runs.db", "runs.db.lock"]


def test_an_empty_file_becomes_a_store(own_store: Path) -> None:
    own_store.write_bytes(b"")
    assert connect().search_experiments()


@pytest.mark.usefixtures("hasty")
def test_a_holder_that_hangs_is_named(own_store: Path, caplog: pytest.LogCaptureFixture) -> None:
    from filelock import FileLock

    with (
        FileLock(f"{own_store}.lock"),
        caplog.at_level(logging.WARNING),
        pytest.raises(StoreError, match=r"has held its lock[^$]*runs\.db\.lock"),
        one_at_a_time(),
    ):
        pass
    assert "waiting for another process" in caplog.text


def test_the_lock_of_a_store_is_one_for_all_checkouts(
    own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with one_at_a_time(), one_at_a_time():  # a block within a block goes on
            pass
    assert not list(tmp_path.glob("*/*"))
    assert Path(f"{own_store}.lock").exists()


def test_files_of_a_shared_store_lie_beside_it(
    own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the checkout that happened to be the first."""
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    client = connect()
    experiment = client.get_experiment(experiment_id(client, "demo"))
    assert experiment.artifact_location == (tmp_path / "mlartifacts" / "demo").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert artifact_place("demo") is None


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////data/runs.db", "/data/runs.db"),
        ("sqlite+pysqlite:////data/runs.db?timeout=3", "/data/runs.db"),
        ("sqlite:///file:/data/runs.db?mode=ro&uri=true", "/data/runs.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("http://host:5000", None),
        ("file:///data/mlruns", None),
    ],
)
def test_an_address_of_sqlite_names_a_file(uri: str, path: str | None) -> None:
    assert sqlite_file(uri) == (None if path is None else Path(path))


def test_no_credentials_are_shown_in_a_message() -> None:
    told = shown("request to http://me:a%40b@host:5/api?token=c failed: see https://x.org/y")
    assert told == "request to http://host:5/api failed: see https://x.org/y"
