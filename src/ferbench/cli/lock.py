"""One `ferbench repro` or `study use` at a time in a checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferbench.errors import InputError

__all__ = ["exclusive"]

LOCK = Path(".cache/ferbench.lock")


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the checkout while the block runs, so that no study changes below a running one.

    Raises:
        InputError: another process holds it.
    """
    from filelock import FileLock, Timeout

    LOCK.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            "another ferbench command is at work in this folder",
            where=LOCK,
            remedy="wait until it has ended, or use a second checkout",
        ) from error
    try:
        yield
    finally:
        lock.release()
