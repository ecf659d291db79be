"""Atomic writes, and digests.

A killed stage leaves either the old file or the new one, never a part: everything is written to a
temporary name beside its target and renamed. Temporary files of killed processes are deleted by the
next process that writes into the folder; DVC ignores them until then (`.dvcignore`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from ferbench.errors import causes

__all__ = [
    "PARTIAL",
    "digest",
    "disk_full",
    "fresh_folder",
    "md5_file",
    "need_room",
    "read_json",
    "sha256_file",
    "whole_file",
    "write_json",
]

# Prefix of the names of half-written files and folders.
PARTIAL = ".partial-"

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Messages of SQLite and PyTorch's archive writer, which do not pass on the error number.
_FULL_WORDS = "database or disk is full|inline_container.*unexpected pos|No space left on device"


def disk_full(error: BaseException) -> OSError | None:
    """The full disk that caused an exception, directly or not; None if none did.

    >>> disk_full(RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 5 vs 1"))
    OSError(28, 'No space left on device')
    """
    links = list(causes(error))
    for link in links:
        if isinstance(link, OSError) and link.errno in _FULL:
            place = link.filename2 or link.filename  # of a copy, `filename` is the source
            return link if place is None else OSError(link.errno, link.strerror, str(place))
    if any(re.search(_FULL_WORDS, str(link)) for link in links):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


def need_room(folder: Path, size: int) -> None:
    """Check for free space before calling a writer that would crash on a full disk.

    Args:
        folder: to be written into.
        size: bytes to be written.

    Raises:
        OSError: less than that is free.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it if the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    handle, name = tempfile.mkstemp(
        prefix=f"{PARTIAL}{os.getpid()}-", suffix=f"-{path.name}", dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it if the block ends without an exception.

    An existing folder at `path` is replaced as a whole, so no file of an earlier run survives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    name = tempfile.mkdtemp(
        prefix=f"{PARTIAL}{os.getpid()}-", suffix=f"-{path.name}", dir=path.parent
    )
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Delete the temporary files and folders of processes that no longer run."""
    for entry in folder.glob(f"{PARTIAL}*"):
        owner = entry.name[len(PARTIAL) :].split("-", 1)[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, whole or not at all."""
    with whole_file(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _hash_file(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(name, usedforsecurity=False)
        ).hexdigest()


def md5_file(path: Path) -> str:
    """MD5 of a file's bytes, as hexadecimal digits."""
    return _hash_file(path, "md5")


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    return _hash_file(path, "sha256")


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of its keys.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
