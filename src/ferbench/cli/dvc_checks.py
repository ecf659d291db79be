"""Which stages are out of date, by one look at every file.

For every stage, `dvc status` hashes its dependencies and reads its parameters again, and edits the
file of locks twice. Stages share most dependencies, such as the code that trains, so with a
thousand of them that is most of its time. While the repository is locked and no stage runs, every
path needs one look, and all paths one lock.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["each_path_once", "stale_stages"]


def stale_stages(repo: Any, stages: Collection[Any]) -> list[str]:
    """The addresses of stages that `dvc status` would list, sorted.

    Args:
        repo: DVC's, locked.
        stages: of its index.
    """
    from dvc.rwlock import rwlock
    from dvc.stage import Stage

    check: Callable[..., dict[str, Any]] = Stage.status.__wrapped__  # without a lock of its own
    paths = sorted({item.fs_path for stage in stages for item in (*stage.deps, *stage.outs)})
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with (
        rwlock(repo.tmp_dir, repo.fs, " ".join(sys.argv), paths, [], hardlink),
        each_path_once(),
    ):
        return sorted(name for stage in stages for name in check(stage, check_updates=True))


@contextmanager
def each_path_once() -> Iterator[None]:
    """Let the DVC of this process hash a path, and read the same parameters, once in the block.

    No file that DVC looks at may change in the block.
    """
    from dvc.dependency import param
    from dvc.output import Output

    hashed, read = Output._get_hash_meta, param.read_param_file
    hashes: dict[tuple[Any, ...], Any] = {}
    values: dict[tuple[Any, ...], Any] = {}

    def hash_once(self: Any) -> Any:
        key = self.fs.protocol, self.fs_path, self.hash_name
        if key not in hashes:
            hashes[key] = hashed(self)
        return hashes[key]

    def read_once(fs: Any, path: str, key_paths: Any = None, **words: Any) -> Any:
        key = path, tuple(key_paths or ()), *sorted(words.items())
        if key not in values:
            values[key] = read(fs, path, key_paths, **words)
        return dict(values[key])

    Output._get_hash_meta, param.read_param_file = hash_once, read_once
    try:
        yield
    finally:
        Output._get_hash_meta, param.read_param_file = hashed, read
