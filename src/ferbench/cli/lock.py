"""Who may work in a checkout, and a `dvc.lock` that is whole or mended.

One `ferbench repro` or `study use` works in a checkout at a time, and none beside a running DVC.
DVC writes `dvc.lock` in place, which takes seconds for a large study; a DVC that is killed
meanwhile leaves half of it and refuses to work from then on. The DVC that ferbench starts writes it
in one step; what a DVC that was started by hand has left is mended.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from ferbench.cli.lifeline import GRACE_S, is_dvc
from ferbench.errors import InputError
from ferbench.files import whole_file
from ferbench.locks import held

__all__ = [
    "exclusive",
    "forget_dead_dvc",
    "mend_lock_file",
    "refuse_other_dvc",
    "write_lock_file_fast",
    "write_whole_files",
]

LOCK = Path(".cache/ferbench.lock")
LOCK_FILE = Path("dvc.lock")
_RWLOCK = Path(".dvc/tmp/rwlock")
_STAGE = re.compile(r"^  \S", re.MULTILINE)


def write_whole_files() -> None:
    """Make the DVC of this process write its YAML files whole or not at all."""
    from dvc.utils.serialize import _common, _yaml

    def dump(
        path: Any, data: Any, dumper: Callable[..., Any], fs: Any = None, **words: Any
    ) -> None:
        del fs  # ours are on the local disk
        _dump_whole(Path(path), data, dumper, **words)

    _common._dump_data = _yaml._dump_data = dump


def write_lock_file_fast() -> None:
    """Make the DVC of this process read and write `dvc.lock` without regard to comments.

    DVC rewrites the whole file after every stage, through a parser that keeps comments, which a
    lock file has none of. With 84 stages that takes 4 CPU-seconds a stage; without, 1.
    """
    from dvc import dvcfile
    from ruamel.yaml import YAML

    keeping_comments = dvcfile.modify_yaml
    plain = YAML(typ="safe")  # DVC's own parser where it only reads
    plain.default_flow_style = False
    plain.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    plain.representer.add_representer(OrderedDict, lambda own, data: own.represent_dict(data))

    @contextmanager
    def modify(path: str, fs: Any = None) -> Iterator[Any]:
        place = Path(path)
        if place.name != LOCK_FILE.name:
            with keeping_comments(path, fs=fs) as data:
                yield data
            return
        data = plain.load(place.read_text(encoding="utf-8")) if place.is_file() else None
        data = data or {}
        yield data
        _dump_whole(place, data, plain.dump)

    dvcfile.modify_yaml = modify


def _dump_whole(path: Path, data: Any, dumper: Callable[..., Any], **words: Any) -> None:
    text = io.StringIO()
    dumper(data, text, **words)
    with whole_file(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def mend_lock_file() -> int | None:
    """Take the stages that are whole out of a half-written `dvc.lock`.

    The stages that it lacks are restored by DVC from its record of runs, or run again. The damaged
    file is kept as `dvc.lock.damaged`.

    Returns:
        The number of stages that are left; None if nothing was wrong.
    """
    if not LOCK_FILE.is_file():
        return None
    text = LOCK_FILE.read_text(encoding="utf-8", errors="replace")
    if _stages(text) is not None:
        return None
    starts = [match.start() for match in _STAGE.finditer(text)]
    LOCK_FILE.replace(LOCK_FILE.with_name("dvc.lock.damaged"))
    for end in reversed(starts):  # the last one is what was being written
        stages = _stages(text[:end])
        if stages is not None:
            with whole_file(LOCK_FILE) as temporary:
                temporary.write_text(text[:end], encoding="utf-8")
            return stages
    return 0


def _stages(text: str) -> int | None:
    """The number of stages of a lock file; None if it is none by DVC's own schema."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA as SCHEMA
    from voluptuous import Invalid

    if not text.endswith("\n"):
        return None
    try:
        content = yaml.load(text, Loader=yaml.CSafeLoader)
        SCHEMA(content)
    except (yaml.YAMLError, Invalid):
        return None
    return len(content.get("stages") or {})


def exclusive() -> AbstractContextManager[None]:
    """Hold the checkout while the block runs, so that no study changes below a running one.

    Raises:
        InputError: another process holds it.
    """
    return held(LOCK, "this checkout")


def refuse_other_dvc() -> None:
    """Make sure that no DVC process is at work in the current folder, and forget dead ones.

    One whose `ferbench` was killed ends by itself within `GRACE_S`; that long it is waited for.

    Raises:
        InputError: such a process is still there.
    """
    others = list(_others())
    if others:
        names = ", ".join(str(process.pid) for process in others)
        print(f"waiting up to {GRACE_S:.0f} s for DVC (process {names}) to end", flush=True)
    _, alive = psutil.wait_procs(others, timeout=GRACE_S)
    if alive:
        raise InputError(
            f"DVC is at work in this folder: process {alive[0].pid} "
            f"({shlex.join(alive[0].cmdline())})",
            where=Path.cwd(),
            remedy=f"wait until it has ended, or end it with `kill {alive[0].pid}`",
        )
    forget_dead_dvc()


def forget_dead_dvc() -> None:
    """Delete DVC's list of the files that its processes use, when there is no such process.

    DVC forgets a dead process by itself, but not one that nobody has waited for, as in a container
    whose first process does not, and it refuses to work where it was killed writing the list.
    """
    if not any(_others()):
        _RWLOCK.unlink(missing_ok=True)


def _others() -> Iterator[psutil.Process]:
    """DVC processes in the current folder, but for our own ancestors."""
    here = Path.cwd()
    family = {process.pid for process in psutil.Process().parents()} | {os.getpid()}
    for process in psutil.process_iter():
        try:
            found = process.pid not in family and is_dvc(process.cmdline())
            if found and Path(process.cwd()) == here:
                yield process
        except psutil.Error:  # it has ended, or is somebody else's
            continue
