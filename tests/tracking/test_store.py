"""A store that cannot be used is named with its remedy, within seconds."""

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
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError
from tests.run_records import run_setup

from ferbench import environment
from ferbench.errors import InputError
from ferbench.files import PARTIAL
from ferbench.tracking import store
from ferbench.tracking.runs import experiment_id, open_run
from ferbench.tracking.store import (
    StoreError,
    artifact_place,
    connect,
    patient_uploads,
    shown,
    sqlite_file,
    store_faults,
    store_lock,
)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for locks ends at once."""
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
        (junk, "is damaged or not an SQLite database"),
        (change("update alembic_version set version_num = 'x'"), "schema x instead of"),
        (change("delete from alembic_version"), "schema none instead of"),
        (change("drop table alembic_version"), "schema none instead of"),
    ],
)
def test_unreadable_store_is_refused_and_left_unchanged(
    own_store: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(own_store)
    before = own_store.read_bytes()
    with pytest.raises(StoreError) as caught:
        connect()
    assert words in caught.value.what
    assert caught.value.where == f"sqlite:///{own_store}"
    assert caught.value.remedy
    assert own_store.read_bytes() == before


def test_database_of_another_program_gets_no_mlflow_tables(own_store: Path) -> None:
    own_store.unlink()
    change("create table poems (line text)")(own_store)
    with pytest.raises(StoreError, match="schema none instead of"):
        connect()
    with closing(sqlite3.connect(own_store)) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("poems",)]


@pytest.mark.usefixtures("hasty")
def test_locked_store_is_reported(own_store: Path) -> None:
    with closing(sqlite3.connect(own_store, isolation_level=None)) as database:
        database.execute("begin exclusive")
        with pytest.raises(StoreError, match="is locked by another process"):
            connect()


def test_short_lock_of_a_store_is_waited_for(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses one of two writers at once if both have read before."""
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


def test_store_deleted_while_open_is_reported(own_store: Path) -> None:
    run = open_run(run_setup())
    own_store.unlink()
    with pytest.raises(StoreError, match="has been deleted or replaced since it was opened"):
        run.log_points([("accuracy", 0, 0.5)])


def test_read_only_store_is_reported(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///file:{own_store}?mode=ro&uri=true")
    with pytest.raises(StoreError, match="cannot be written"):
        open_run(run_setup())


def test_read_only_folder_is_reported(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(StoreError, match="cannot be written") as caught:
        connect()
    assert str(own_store.parent) in caught.value.what


def test_store_below_a_file_is_refused(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_store}/runs.db")
    with pytest.raises(StoreError, match="cannot be used"):
        connect()


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_refusing_server_is_reported_without_credentials(
    own_store: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", f"{scheme}://me:hunter2@127.0.0.1:9/a?password=hunter2"
    )
    with pytest.raises(StoreError, match="does not answer") as caught:
        connect()
    assert caught.value.where == f"{scheme}://127.0.0.1:9/a"
    assert "hunter2" not in str(caught.value)


def test_silent_server_is_reported(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()  # and never accepts
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(StoreError, match="does not answer"):
            connect()


def test_timeouts_of_a_server_add_up_to_half_a_minute() -> None:
    limits = {k: int(v) for k, v in environment.SWITCHES.items() if k.startswith("MLFLOW_HTTP")}
    tries = limits["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] + 1
    pauses = sum(limits["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"] * 2**n + 1 for n in range(tries - 2))
    assert tries * limits["MLFLOW_HTTP_REQUEST_TIMEOUT"] + pauses <= 30


def test_upload_has_a_longer_timeout_unless_the_user_sets_one(
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


def test_missing_driver_is_reported(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_full_disk_is_reported_as_such(own_store: Path, error: Exception) -> None:
    with pytest.raises(OSError, match=r"No space|quota") as caught, store_faults():
        raise MlflowException("cannot log") from error
    assert caught.value.errno in (errno.ENOSPC, errno.EDQUOT)
    expected = "store/written.png" if getattr(error, "filename2", None) else str(own_store)
    assert caught.value.filename == expected


def test_errors_that_are_no_fault_of_a_store_are_let_through(own_store: Path) -> None:
    client = connect()
    with pytest.raises(MlflowException, match="no-such-run"):
        client.get_run("no-such-run")
    with pytest.raises(ZeroDivisionError), store_faults():
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), store_faults():
        Path("nowhere").read_text()


@pytest.mark.thorough
def test_new_store_removes_partial_files_of_a_killed_process(own_store: Path) -> None:
    own_store.unlink()
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    for kind in ("", "-journal"):
        junk(own_store.with_name(f"{PARTIAL}{killed.pid}-x-{own_store.name}{kind}"))
    connect()
    assert sorted(path.name for path in own_store.parent.iterdir()) == ["runs.db", "runs.db.lock"]


def test_empty_file_becomes_a_store(own_store: Path) -> None:
    own_store.write_bytes(b"")
    assert connect().search_experiments()


@pytest.mark.usefixtures("hasty")
def test_lock_that_another_process_keeps_is_refused_with_its_file(
    own_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        FileLock(f"{own_store}.lock"),
        caplog.at_level(logging.WARNING),
        pytest.raises(InputError, match=r"runs\.db is in use by another process") as caught,
        store_lock(),
    ):
        pass
    assert caught.value.where == f"{own_store}.lock"
    assert "for another process" in caplog.text


def test_all_checkouts_share_one_lock_of_a_store(
    own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with store_lock(), store_lock():  # blocks nest
            pass
    assert not list(tmp_path.glob("*/*"))
    assert Path(f"{own_store}.lock").exists()


def test_artifacts_of_a_shared_store_are_beside_it(
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
def test_sqlite_address_gives_its_file(uri: str, path: str | None) -> None:
    assert sqlite_file(uri) == (None if path is None else Path(path))


def test_messages_show_no_credentials() -> None:
    text = shown("request to http://me:a%40b@host:5/api?token=c failed: see https://x.org/y")
    assert text == "request to http://host:5/api failed: see https://x.org/y"


def test_schema_version_is_that_of_alembic() -> None:
    import mlflow
    from alembic.script import ScriptDirectory

    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    assert store._schema() == ", ".join(ScriptDirectory(str(folder)).get_heads())
