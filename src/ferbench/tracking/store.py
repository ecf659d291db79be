"""Who writes a run: a tag that lets another process see whether its writer is still alive."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import re
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import psutil
from filelock import FileLock, Timeout

from ferbench.environment import SWITCHES
from ferbench.errors import InputError, causes
from ferbench.files import digest, disk_full, whole_file

__all__ = [
    "CHECKOUT",
    "OWNER",
    "Owner",
    "StoreError",
    "artifact_place",
    "connect",
    "one_at_a_time",
    "patient_uploads",
    "probe",
    "shown",
    "sqlite_file",
    "store_faults",
    "store_uri",
    "this_checkout",
    "this_process",
]

OWNER = "ferbench.owner"
CHECKOUT = "ferbench.checkout"
# Start times are counted from the boot, whose time is not exact after the clock was set.
_SAME_START_S = 10.0


@dataclass(frozen=True)
class Owner:
    """A process that writes a run.

    Args:
        host: name of its machine.
        space: its space of process ids, which containers of one machine do not share.
        pid: process id.
        started: when the process was started, in seconds since 1970.
        checkout: its working folder.
    """

    host: str
    space: str
    pid: int
    started: float
    checkout: str

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Owner | None:
        """The owner that a run's tags name; None if they name none."""
        try:
            return cls(**json.loads(tags[OWNER]))
        except (KeyError, TypeError, ValueError):
            return None

    def tag(self) -> str:
        """The value of the tag `OWNER`."""
        return json.dumps(asdict(self))

    def is_another(self) -> bool:
        """Whether it is not this process and may be alive.

        Of a process on another machine nothing is known, so it counts as alive: nobody else may
        write its run.
        """
        here = this_process()
        if (self.host, self.space) != (here.host, here.space):
            return True
        return self.pid != here.pid and _is_alive(self.pid, self.started)


def _is_alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(float(process.create_time()) - started) < _SAME_START_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it is there, and another user's
        return True


def this_process() -> Owner:
    """This process as an owner."""
    spaces = Path("/proc/self/ns/pid")
    return Owner(
        host=socket.gethostname(),
        space=str(spaces.readlink()) if spaces.is_symlink() else "",
        pid=os.getpid(),
        started=float(psutil.Process().create_time()),
        checkout=str(Path.cwd()),
    )


def this_checkout() -> str:
    """The value of the tag `CHECKOUT`: machine and folder."""
    return f"{socket.gethostname()}:{Path.cwd()}"


# MERGED from ferbench.tracking.store:
# The MLflow store: where it is, how it is first made, and what is said when it cannot serve.
#
# Several checkouts may share one store. A new SQLite store is made in a file of its own beside its
# place and moved there whole, under a lock file that all checkouts see; so nobody ever opens half of
# it. Whatever goes wrong with a store ends in `StoreError`, which names the store and the remedy.


if TYPE_CHECKING:
    from mlflow import MlflowClient


_LOG = logging.getLogger(__name__)

# How long a lock on an SQLite file, or a server's connection, is waited for.
_BUSY_S = 10.0
# Making a store takes seconds; whoever waits for it longer than this waits for a hanging process.
_MAKING_S = 120.0
_UPLOAD_S = "300"

_OTHER = "or name another store in MLFLOW_TRACKING_URI"
_REFILL = "`dvc repro --force --single-item track register promote` fills a new one from `runs/`"
_SCHEMA = (
    "has not the tables of this version of MLflow",
    "copy the store, then run `mlflow db upgrade` with its address; if a newer MLflow made it, use "
    f"that version, {_OTHER}",
)
# What a message of SQLite, SQLAlchemy, Alembic or MLflow means, and what to do about it. The first
# that is found counts.
_FAULTS = (
    (
        "database is locked|database table is locked",
        "is locked by another process",
        f"end the process that holds it, {_OTHER}",
    ),
    (
        "not a database|malformed|file is encrypted",
        "is no SQLite database, or a damaged one",
        f"move it away, or put a backup in its place; {_REFILL}",
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
# What the operating system says of a store's file, folder or address.
_OS_FAULTS = (
    *(PermissionError, ConnectionError, TimeoutError, socket.gaierror, ModuleNotFoundError),
    *(NotADirectoryError, FileExistsError, IsADirectoryError),
)
_ERRNOS = (errno.EROFS, errno.ENOSPC, errno.EDQUOT)
# MLflow's answers that tell of what is in a store, not of its state; callers deal with them.
_ANSWERS = ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE")
_DELETED = "has been deleted or replaced since it was opened"


class StoreError(InputError):
    """The store cannot serve; the message names it, without credentials, and the remedy."""


class _LockedError(StoreError):
    """Another process holds a lock of the SQLite file; it may let go soon."""


def store_uri() -> str:
    """The tracking server of `MLFLOW_TRACKING_URI`, else the project's own SQLite file."""
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
    """Where the files of a new experiment go: beside an SQLite store; None if a server decides.

    They belong to the store, not to the checkout that was the first to use it.
    """
    file = sqlite_file(store_uri())
    return None if file is None else (file.parent / "mlartifacts" / study).as_uri()


@contextmanager
def one_at_a_time(purpose: str = "lock") -> Iterator[None]:
    """Hold the store against the other processes of this machine, whatever their checkout.

    The lock file is beside an SQLite store, and in the folder of temporary files for a server.

    Args:
        purpose: locks of different purposes do not exclude each other.

    Raises:
        StoreError: the lock file cannot be written, or its holder hangs.
    """
    uri = store_uri()
    file = sqlite_file(uri)
    if file is None:
        name = f"ferbench-{os.getuid()}-{digest(uri)[:16]}.{purpose}"
        place = Path(tempfile.gettempdir(), name)
    else:
        file = file.resolve()
        place = file.with_name(f"{file.name}.{purpose}")
    lock = FileLock(place, is_singleton=True)  # of one process: a block within a block goes on
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, uri, place)
    except OSError as error:
        raise _fault(error, uri) from error
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, uri: str, place: Path) -> None:
    try:
        try:
            lock.acquire(timeout=_BUSY_S)
        except Timeout:
            _LOG.warning("waiting for another process that works on %s", shown(uri))
            lock.acquire(timeout=-1 if place.name.endswith(".track") else _MAKING_S)
    except Timeout as error:
        raise StoreError(
            "another process has held its lock for minutes",
            where=shown(uri),
            remedy=f"end the process that holds {place}, then start the same command again",
        ) from error


def connect() -> MlflowClient:
    """A client of the store, which is made if it is not there.

    Its calls wait for a short lock of an SQLite file and raise `StoreError` if the store fails.

    Raises:
        StoreError: the store cannot be made, reached or written.
    """
    from mlflow import MlflowClient

    uri = store_uri()
    # They would tell the same fault again, with tracebacks, before and after our message.
    for name in ("mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with store_faults():
        file = sqlite_file(uri)
        if file is not None:
            _make(file)
        probe(uri)
        client = _Answering(MlflowClient(tracking_uri=uri))
        client.search_experiments(max_results=1)
    return cast("MlflowClient", client)


def _make(file: Path) -> None:
    """Make an SQLite store that is not there, whole, once, however many ask for it."""
    from mlflow import MlflowClient

    if _is_made(file):
        return
    with one_at_a_time():
        if _is_made(file):
            return
        with whole_file(file) as temporary:
            # The first contact runs the migrations.
            MlflowClient(tracking_uri=f"sqlite:///{temporary}").search_experiments(max_results=1)


def _is_made(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def probe(uri: str) -> None:
    """Raise if a store that is there cannot be used: MLflow would try for minutes.

    Nothing is asked of a tracking server, whose client has limits of its own.

    Raises:
        StoreError: the store is locked, damaged, of another version, not writable or not there.
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
        database.isolation_level = None  # we say where a transaction begins
        database.execute("begin immediate")
        tables = {name for (name,) in database.execute("select name from sqlite_master")}
        found = "none"
        if "alembic_version" in tables:
            rows = database.execute("select version_num from alembic_version").fetchall()
            found = ", ".join(str(version) for (version,) in rows) or found
        database.execute("rollback")
    # MLflow would migrate some of these without asking, and several processes would at once.
    if found != _schema():
        what, remedy = _SCHEMA
        told = f"{what} (schema {found} instead of {_schema()})"
        raise StoreError(told, where=shown(uri), remedy=remedy)


@cache
def _schema() -> str:
    """The version of the tables that the installed MLflow makes."""
    import mlflow
    from alembic.script import ScriptDirectory

    folder = Path(mlflow.__file__).parent / "store" / "db_migrations"
    return ", ".join(ScriptDirectory(str(folder)).get_heads())


def _reach(uri: str) -> None:
    """Raise if nothing listens at a database server's address."""
    address = urlsplit(uri)
    ports = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
    port = address.port or ports.get(address.scheme.partition("+")[0])
    if address.hostname and port:
        socket.create_connection((address.hostname, port), timeout=_BUSY_S).close()


class _Answering:
    """An MLflow client whose calls end well, in an answer of MLflow, or in `StoreError`.

    Two processes that write an SQLite file at once may both be refused at once, whatever the
    timeout; what is refused has changed nothing, and is said again.
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
    """Tell what MLflow raises in the block as `StoreError`, and a full disk as the `OSError` it is.

    What MLflow says of the contents of a store, such as that a run is not there, is let through.

    Args:
        uri: of the store; None for that of `store_uri`.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if getattr(error, "error_code", None) in _ANSWERS or not _is_of_a_store(error):
            raise
        raise _fault(error, uri or store_uri()) from error


def _is_of_a_store(error: BaseException) -> bool:
    """Whether an exception comes from MLflow or what it stands on."""
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if packages & {"mlflow", "sqlalchemy", "sqlite3", "alembic", "requests", "urllib3"}:
        return True
    return isinstance(error, _OS_FAULTS) or getattr(error, "errno", None) in _ERRNOS


def _fault(error: BaseException, uri: str) -> Exception:
    """The exception that tells a fault of a store."""
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
    told = shown(str(error)).strip().splitlines() or [type(error).__name__]
    return StoreError(
        f"cannot be used: {told[0][:300]}", where=where, remedy=f"`ferbench doctor`; {_OTHER[3:]}"
    )


@contextmanager
def patient_uploads() -> Iterator[None]:
    """Give a server minutes for each file, unless the user has set how long; it may copy it on."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    before = os.environ.get(name)
    if before == SWITCHES[name]:
        os.environ[name] = _UPLOAD_S
    try:
        yield
    finally:
        if before == SWITCHES[name]:
            os.environ[name] = before
