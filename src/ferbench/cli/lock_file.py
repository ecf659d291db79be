"""`dvc.lock` whole or as it was: DVC writes it in place, which takes seconds for a large study.

A DVC that is killed meanwhile leaves half of it and refuses to work from then on. The DVC that
ferbench starts writes it in one step; of a DVC that was started by hand, what is left is mended.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ferbench.files import whole_file

__all__ = ["mend_lock_file", "write_whole_files"]

LOCK_FILE = Path("dvc.lock")
_STAGE = re.compile(r"^  \S", re.MULTILINE)


def write_whole_files() -> None:
    """Make the DVC of this process write its YAML files whole or not at all."""
    from dvc.utils.serialize import _common, _yaml

    def dump(
        path: Any, data: Any, dumper: Callable[..., Any], fs: Any = None, **words: Any
    ) -> None:
        del fs  # ours are on the local disk
        text = io.StringIO()
        dumper(data, text, **words)
        with whole_file(Path(path)) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")

    _common._dump_data = _yaml._dump_data = dump


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
