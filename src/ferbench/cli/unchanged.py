"""Whether nothing has changed since DVC last found all stages up to date.

Building its graph and looking at every file takes DVC some 25 ms a stage. When it has found nothing
to do, a fingerprint of all that it looked at is kept; while that stays the same, so does the
answer. As for DVC itself, a file is unchanged if its size, time of modification and inode are. Any
difference, in whatever direction, means that DVC is asked again.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ferbench.files import write_json

__all__ = ["fingerprint", "keep_fingerprint", "nothing_has_changed"]

FILE = Path(".cache", "up_to_date.json")
# What the pipeline is, by content: switching to the study that is in place writes its file again.
_TEXTS = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/config.local")
_IGNORED = "__pycache__"  # by .dvcignore too


def fingerprint(paths: Iterable[str]) -> str:
    """Digest of the pipeline's description and of the state of files and folders.

    Args:
        paths: of dependencies and outputs, relative to the current folder, which is the checkout.
    """
    found = sha256()
    for name in _TEXTS:
        with suppress(OSError):
            found.update(f"{name}\n".encode() + sha256(Path(name).read_bytes()).digest())
    for path in _outermost(paths):
        for line in _states(path):
            found.update(os.fsencode(line))
    return found.hexdigest()


def keep_fingerprint(paths: Iterable[str], found: str) -> None:
    """Keep a fingerprint that was taken before DVC found everything up to date."""
    with suppress(OSError):  # a full disk: DVC is asked again
        write_json(FILE, {"paths": list(_outermost(paths)), "fingerprint": found})


def nothing_has_changed() -> bool:
    """Whether the current checkout is as it was when DVC found everything up to date."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(FILE.read_bytes())
        return bool(kept["fingerprint"] == fingerprint(kept["paths"]))
    return False


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    """Paths that are in no other one, sorted."""
    last = None
    for parts in sorted({Path(path).parts for path in paths}):
        if last is None or parts[: len(last)] != last:
            last = parts
            yield str(Path(*parts))


def _states(path: str) -> Iterator[str]:
    """A line for a file, or for a folder and all below it; one that says so if there is nothing."""
    try:
        state = os.stat(path)  # noqa: PTH116  (thousands of files: a Path each takes twice the time)
        if stat.S_ISDIR(state.st_mode):
            yield f"{path}/\n"
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries if entry.name != _IGNORED)
            for name in names:
                yield from _states(f"{path}/{name}")
        else:
            yield f"{path} {state.st_size} {state.st_mtime_ns} {state.st_ino}\n"
    except OSError as error:
        yield f"{path} {error.errno}\n"
