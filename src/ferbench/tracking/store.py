"""The MLflow store: its address, its creation, and errors that name the remedy.

Several checkouts may share one store. A new SQLite store is created under a temporary name and
renamed, under a lock that all checkouts see, so no process ever opens a part of it. Every fault of
a store ends in a `StoreError`, which names the store and the remedy.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import random
import re
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ferbench.environment import SWITCHES
from ferbench.errors import InputError, causes
from ferbench.files import digest, disk_full, whole_file
from ferbench.locks import held

__all__ = [
    "StoreError",
    "artifact_place",
    "check_store",
    "connect",
    "patient_uploads",
    "shown",
    "sqlite_file",
    "store_faults",
    "store_lock",
    "store_uri",
]

if TYPE_CHECKING:
    from mlflow import MlflowClient


# Seconds to wait for a lock of an SQLite file or for a server's connection.
_BUSY_S = 10.0
# Creating a store takes seconds; a process that holds the lock longer than this hangs.
_MAKING_S = 120.0
_UPLOAD_S = "300"

# Variables of a migration: its name, and that of the one before it.
_LINKS = ("revision", "down_revision")
_OTHER = "or set MLFLOW_TRACKING_URI to another store"
_REFILL = "`dvc repro --force --single-item track register promote` fills a new one from `runs/`"
_SCHEMA = (
    "does not have the tables of this version of MLflow",
    "copy the store, then run `mlflow db upgrade` with its address; if a newer MLflow made it, use "
    f"that version, {_OTHER}",
)
# Pattern in a message of SQLite, SQLAlchemy, Alembic or MLflow, its meaning and its remedy. The
# first match counts.
_FAULTS = (
    (
        "database is locked|database table is locked",
        "is locked by another process",
        f"end the process that holds it, {_OTHER}",
    ),
    (
        "not a database|malformed|file is encrypted",
        "is damaged or not an SQLite database",
        f"move it away, or restore a backup; {_REFILL}",
    ),
    ("out-of-date database schema|can't locate revision|no such table|no such column", *_SCHEMA),
    (
        "readonly database|read-only|unable to open database|permission denied|disk i/o error",
        "cannot be written",
        f"make the file and its folder writable, {_OTHER}",
    ),
    (
        "failed with exception|failed with timeout|connection refused|timed out|max retries|"
        "name or service not known|name resolution",
        "does not answer",
        "start the server, or correct MLFLOW_TRACKING_URI",
    ),
    (
        "no module named",
        "needs a database driver that is not installed",
        f"install the driver, {_OTHER}",
    ),
)
# Errors of the operating system about a store's file, folder or address.
_OS_FAULTS = (
    *(PermissionError, ConnectionError, TimeoutError, socket.gaierror, ModuleNotFoundError),
    *(NotADirectoryError, FileExistsError, IsADirectoryError),
)
_ERRNOS = (errno.EROFS, errno.ENOSPC, errno.EDQUOT)
# MLflow's error codes about the contents of a store rather than its state; callers handle them.
_CONTENT_CODES = ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE")
_DELETED = "has been deleted or replaced since it was opened"


class StoreError(InputError):
    """The store cannot be used; the message names it, without credentials, and the remedy."""


class _LockedError(StoreError):
    """Another process holds a lock of the SQLite file, perhaps only for a moment."""


def store_uri() -> str:
    """`MLFLOW_TRACKING_URI` if it is set, else the project's own SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').absolute()}"


def shown(text: str) -> str:
    """A store's address, or a message that holds it, without credentials.

    >>> shown("postgresql://me:secret@host/runs?password=secret")
    'postgresql://host/runs'
    """
    return re.sub(r"(\w://[^\s?'\"]*)\?[^\s'\"]*", r"\1", re.sub(r"://[^/\s'\"]*@", "://", text))


def sqlite_file(uri: str) -> Path | None:
    """The absolute path of an SQLite store; None for other stores and for one in memory.

    >>> sqlite_file("sqlite:////data/runs.db?timeout=9")
    PosixPath('/data/runs.db')
    """
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///(?:file:)?([^?]+)(?:\?.*)?", uri)
    return None if found is None or found[1] == ":memory:" else Path(found[1]).absolute()


def artifact_place(study: str) -> str | None:
    """Folder for the files of a new experiment, beside an SQLite store; None if a server decides.

    It belongs to the store rather than to the checkout that first used it.
    """
    file = sqlite_file(store_uri())
    return None if file is None else (file.parent / "mlartifacts" / study).as_uri()


@contextmanager
def store_lock(purpose: str = "lock") -> Iterator[None]:
    """Keep all other processes on this machine from the store, whatever their checkout.

    The lock file is beside an SQLite store, and in the folder of temporary files for a server.

    Args:
        purpose: locks of different purposes do not exclude each other. `track` waits without limit,
            since a study's stage may take long; other locks are held for seconds only.

    Raises:
        InputError: another process holds the lock for minutes.
        StoreError: the lock file cannot be written.
    """
    uri = store_uri()
    file = sqlite_file(uri)
    if file is None:
        name = f"ferbench-{os.getuid()}-{digest(uri)[:16]}.{purpose}"
        path = Path(tempfile.gettempdir(), name)
    else:
        path = Path(f"{file.resolve()}.{purpose}")
    wait_s = None if purpose == "track" else _BUSY_S + _MAKING_S
    with ExitStack() as stack:
        try:
            stack.enter_context(held(path, f"the store {shown(uri)}", wait_s, _BUSY_S))
        except OSError as error:
            raise _fault(error, uri) from error
        yield


def connect() -> MlflowClient:
    """A client of the store, which is created if it does not exist.

    Its calls wait for short locks of an SQLite file and raise `StoreError` if the store fails.

    Raises:
        StoreError: the store cannot be created, reached or written.
    """
    from mlflow import MlflowClient

    uri = store_uri()
    # These loggers would report the same fault again, with tracebacks.
    for name in ("mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with store_faults():
        file = sqlite_file(uri)
        if file is not None:
            _make(file)
        check_store(uri)
        client = _PatientClient(MlflowClient(tracking_uri=uri))
        client.search_experiments(max_results=1)
    return cast("MlflowClient", client)


def _make(file: Path) -> None:
    """Create an SQLite store if it does not exist, once and whole, under the store's lock."""
    from mlflow import MlflowClient

    if _is_made(file):
        return
    with store_lock():
        if _is_made(file):
            return
        with whole_file(file) as temporary:
            # The first contact runs the migrations.
            MlflowClient(tracking_uri=f"sqlite:///{temporary}").search_experiments(max_results=1)


def _is_made(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def check_store(uri: str) -> None:
    """Check at once that an existing store can be used, where MLflow would retry for minutes.

    A tracking server is not asked, because its client has timeouts of its own.

    Raises:
        StoreError: the store is locked, damaged, of another version, not writable or absent.
    """
    with store_faults(uri):
        file = sqlite_file(uri)
        if file is not None:
            _probe_file(file, uri)
        elif not uri.startswith(("http:", "https:")):
            _reach(uri)


def _probe_file(file: Path, uri: str) -> None:
    if not os.access(file.parent, os.W_OK):  # SQLite writes its journal there
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file.parent))
    address = f"{file.as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as database:
        database.isolation_level = None  # transactions begin explicitly
        database.execute("begin immediate")
        tables = {name for (name,) in database.execute("select name from sqlite_master")}
        found = "none"
        if "alembic_version" in tables:
            rows = database.execute("select version_num from alembic_version").fetchall()
            found = ", ".join(str(version) for (version,) in rows) or found
        database.execute("rollback")
    # MLflow would migrate some of these without asking, several processes at once.
    if found != _schema():
        what, remedy = _SCHEMA
        raise StoreError(
            f"{what} (schema {found} instead of {_schema()})", where=shown(uri), remedy=remedy
        )


@cache
def _schema() -> str:
    """The schema version of the installed MLflow: the migration that no other one follows.

    It is read from the migrations' text. Alembic would import all 130 of them, in a second.
    """
    package = importlib.util.find_spec("mlflow")
    assert package is not None and package.origin is not None
    versions = Path(package.origin).parent / "store" / "db_migrations" / "versions"
    text = "\n".join(path.read_text(encoding="utf-8") for path in versions.glob("*.py"))
    made, followed = (set(re.findall(rf'^{name} = "(\w+)"', text, re.MULTILINE)) for name in _LINKS)
    return ", ".join(sorted(made - followed))


def _reach(uri: str) -> None:
    """Raise if nothing listens at a database server's address."""
    address = urlsplit(uri)
    ports = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
    port = address.port or ports.get(address.scheme.partition("+")[0])
    if address.hostname and port:
        socket.create_connection((address.hostname, port), timeout=_BUSY_S).close()


class _PatientClient:
    """An MLflow client that repeats calls on a locked store and raises `StoreError` for faults.

    SQLite may refuse two simultaneous writers at once, whatever the timeout. A refused call has
    changed nothing, so it is repeated.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return _patient(found) if callable(found) else found


def _patient(act: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        deadline = time.monotonic() + _BUSY_S
        while True:
            try:
                with store_faults():
                    return act(*args, **kwargs)
            except _LockedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.02, 0.2))

    return call


@contextmanager
def store_faults(uri: str | None = None) -> Iterator[None]:
    """Turn faults of the store in the block into `StoreError`, and a full disk into its `OSError`.

    MLflow's errors about the contents of a store, such as an unknown run, are let through.

    Args:
        uri: of the store; None for that of `store_uri`.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if getattr(error, "error_code", None) in _CONTENT_CODES or not _is_of_a_store(error):
            raise
        raise _fault(error, uri or store_uri()) from error


def _is_of_a_store(error: BaseException) -> bool:
    """Whether an exception comes from MLflow, its libraries or the operating system."""
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if packages & {"mlflow", "sqlalchemy", "sqlite3", "alembic", "requests", "urllib3"}:
        return True
    return isinstance(error, _OS_FAULTS) or getattr(error, "errno", None) in _ERRNOS


def _fault(error: BaseException, uri: str) -> Exception:
    """The exception to raise for a fault of a store."""
    chain = list(causes(error))
    text = " ".join(str(link) for link in chain)
    file = sqlite_file(uri)
    disk = next((e for e in chain if isinstance(e, OSError)), None)
    full = disk_full(error)
    if full is not None:
        place = full.filename or file
        return OSError(full.errno, full.strerror, None if place is None else str(place))
    where = shown(uri)
    if any(getattr(e, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED for e in chain):
        return StoreError(_DELETED, where=where, remedy=f"put it back; or {_REFILL}")
    for pattern, what, remedy in _FAULTS:
        if re.search(pattern, text, re.IGNORECASE):
            kind = _LockedError if what.startswith("is locked") else StoreError
            if what == "cannot be written" and disk is not None and disk.filename:
                what = f"cannot be written ({disk.filename})"
            return kind(what, where=where, remedy=f"{remedy}; then start the same command again")
    lines = shown(str(error)).strip().splitlines() or [type(error).__name__]
    return StoreError(
        f"cannot be used: {lines[0][:300]}", where=where, remedy=f"`ferbench doctor`; {_OTHER[3:]}"
    )


@contextmanager
def patient_uploads() -> Iterator[None]:
    """Allow a server minutes for each uploaded file, unless the user has set a timeout."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    before = os.environ.get(name)
    if before == SWITCHES[name]:
        os.environ[name] = _UPLOAD_S
    try:
        yield
    finally:
        if before == SWITCHES[name]:
            os.environ[name] = before
