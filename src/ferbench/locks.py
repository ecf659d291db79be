"""Locks between processes, and the record by which one process identifies another.

The operating system releases a lock when its process ends, however it ends. A file beside the lock,
`<name>.owner`, identifies the process that holds it to those that wait.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import socket
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from ferbench.errors import InputError

__all__ = ["Process", "held"]

_LOG = logging.getLogger(__name__)
# Start times are derived from the boot time, which shifts when the clock is set.
_SAME_START_S = 10.0


@dataclass(frozen=True)
class Process:
    """A process, identified across containers, machines and reused process ids."""

    host: str  # name of its machine
    space: str  # its PID namespace, which containers on one machine do not share
    pid: int  # process id
    started: float  # start time in seconds since 1970
    checkout: str  # its working folder
    command: str = ""  # its command line, shortened

    @classmethod
    def current(cls) -> Process:
        """This process."""
        namespace, process = Path("/proc/self/ns/pid"), psutil.Process()
        return cls(
            host=socket.gethostname(),
            space=str(namespace.readlink()) if namespace.is_symlink() else "",
            pid=os.getpid(),
            started=float(process.create_time()),
            checkout=str(Path.cwd()),
            command=textwrap.shorten(shlex.join(process.cmdline()), 100, placeholder=" ..."),
        )

    @classmethod
    def from_json(cls, text: str) -> Process | None:
        """The process that `to_json` wrote; None if the text describes none."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None

    def to_json(self) -> str:
        """The fields as a JSON object."""
        return json.dumps(asdict(self))

    def is_alive(self) -> bool:
        """Whether the process may still run.

        A process in another PID namespace or on another machine cannot be checked and counts as
        alive.
        """
        if not self._is_here():
            return True
        try:
            process = psutil.Process(self.pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            return not ended and abs(float(process.create_time()) - self.started) < _SAME_START_S
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # it runs, as another user
            return True

    def is_other(self) -> bool:
        """Whether it is not this process and may still run."""
        return self.is_alive() and not (self._is_here() and self.pid == os.getpid())

    def _is_here(self) -> bool:
        here = Process.current()
        return (self.host, self.space) == (here.host, here.space)

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started))
        place = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{place} ({self.command}, since {since})"


@contextmanager
def held(
    path: Path, what: str, wait_s: float | None = 0.0, warn_after_s: float = 0.0
) -> Iterator[None]:
    """Hold a lock while the block runs; a process may nest blocks on the same lock.

    Args:
        path: of the lock file, on a local disk. The empty file stays behind.
        what: names what is locked in messages, such as `this checkout`.
        wait_s: seconds to wait for another process to release it; None waits without limit.
        warn_after_s: seconds of waiting before a warning is logged.

    Raises:
        InputError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = path.with_name(f"{path.name}.owner")
    lock = FileLock(path, is_singleton=True)  # one object a path makes nesting possible
    _acquire(lock, owner, what, wait_s, warn_after_s)
    outermost = lock.lock_counter == 1
    try:
        if outermost:
            with suppress(OSError):  # a full disk: the lock holds, only its owner is unknown
                owner.write_text(Process.current().to_json(), encoding="utf-8")
        yield
    finally:
        if outermost:
            owner.unlink(missing_ok=True)
        lock.release()


def _acquire(
    lock: FileLock, owner: Path, what: str, wait_s: float | None, warn_after_s: float
) -> None:
    quiet_s = warn_after_s if wait_s is None else min(warn_after_s, wait_s)
    try:
        lock.acquire(timeout=quiet_s)
        return
    except Timeout:
        rest_s = -1.0 if wait_s is None else wait_s - quiet_s
    if rest_s:
        limit = "" if wait_s is None else f"up to {rest_s:.0f} s "
        _LOG.warning("waiting %sfor %s", limit, _holder(owner) or "another process")
    try:
        lock.acquire(timeout=rest_s)
    except Timeout as error:
        holder = _holder(owner)
        kill = "" if holder is None else f" with `kill {holder.pid}`"
        raise InputError(
            f"{what} is in use by {holder or 'another process'}",
            where=lock.lock_file,
            remedy=f"wait until it has ended, or end it{kill}",
        ) from error


def _holder(owner: Path) -> Process | None:
    try:
        return Process.from_json(owner.read_text(encoding="utf-8"))
    except OSError:  # not written yet, or just removed
        return None
