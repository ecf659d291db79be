"""Locks between processes that say who holds them.

The operating system releases a lock with the process that holds it, however that process ends. A
file beside the lock, `<name>.owner`, names the process for those who wait.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from ferbench.errors import InputError

__all__ = ["held"]

_log = logging.getLogger(__name__)


@contextmanager
def held(path: Path, what: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        path: of the lock file, on a local disk. It stays behind, empty.
        what: names the thing that is locked in messages, such as `this checkout`.
        wait_s: seconds to wait for the process that holds it; a warning is logged.

    Raises:
        InputError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = path.with_name(f"{path.name}.owner")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait_s:
            _log.warning("waiting up to %.0f s for %s", wait_s, _name(owner))
        try:
            lock.acquire(timeout=wait_s)
        except Timeout as error:
            raise InputError(
                f"{what} is in use by {_name(owner)}",
                where=path,
                remedy=f"wait until it has ended, or end it{_kill(owner)}",
            ) from error
    try:
        owner.write_text(json.dumps(_self()), encoding="utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _self() -> dict[str, object]:
    process = psutil.Process()
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.create_time()))
    return {"pid": os.getpid(), "command": _short(process.cmdline()), "started": started}


def _short(command: Sequence[str]) -> str:
    return textwrap.shorten(shlex.join(command), 100, placeholder=" ...")


def _read(owner: Path) -> dict[str, object] | None:
    try:
        content = json.loads(owner.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not written yet, or just removed
        return None
    return content if isinstance(content, dict) and "pid" in content else None


def _name(owner: Path) -> str:
    content = _read(owner)
    if content is None:
        return "another process"
    return f"process {content['pid']} ({content['command']}, since {content['started']})"


def _kill(owner: Path) -> str:
    content = _read(owner)
    return "" if content is None else f" with `kill {content['pid']}`"
