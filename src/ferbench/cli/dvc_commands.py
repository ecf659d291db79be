"""Commands that the DVC processes of ferbench have besides DVC's own.

| command | does |
|---|---|
| state | writes the graph of stages, and which of them are out of date, to a JSON file |
| restore STAGE... | restores stages from the run cache of the remote; runs none |

DVC takes two CPU seconds to start, so one process reports all that its `dag` and `status` would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import psutil

from ferbench.cli.dvc_checks import stale_stages
from ferbench.cli.unchanged import fingerprint, keep_fingerprint
from ferbench.files import write_json

__all__ = ["release_locks_of_zombies", "run_command"]


def run_command(words: Sequence[str]) -> int:
    """Run one of the commands above, or DVC's own.

    Returns:
        Its exit status.
    """
    from dvc.cli import main

    command, *rest = words
    own: Mapping[str, Callable[[list[str]], None]] = {"state": _write_state, "restore": _restore}
    if command not in own:
        return int(main(list(words)))

    from dvc.exceptions import DvcException

    try:
        own[command](rest)
    except DvcException as error:
        print(f"ERROR: {error}")
        return 255
    return 0


def release_locks_of_zombies() -> None:
    """Let the DVC of this process ignore the locks of processes that have ended.

    One that nobody has waited for still has an entry in the list of processes, for which DVC takes
    it to be at work. A worker that is killed leaves such processes where process 1 does not wait
    for them, as in many containers.
    """
    from dvc import rwlock

    exists = rwlock.psutil.pid_exists

    def is_at_work(pid: int) -> bool:
        try:
            return exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.AccessDenied:
            return True
        except psutil.NoSuchProcess:
            return False

    rwlock.psutil.pid_exists = is_at_work


def _write_state(words: list[str]) -> None:
    """Write what `ferbench.cli.flow.read_state` reads to the file that is named."""
    from dvc.repo import Repo, lock_repo

    (path,) = words
    with Repo(_wait_for_lock=True) as repo, lock_repo(repo):
        graph = repo.index.graph  # from a stage to those that it needs
        needs = {
            stage.addressing: sorted(other.addressing for other in graph.successors(stage))
            for stage in graph
        }
        made = {out.fs_path: out for stage in graph for out in stage.outs}
        inputs = {stage.addressing: list(_inputs(stage, made)) for stage in graph}
        paths = {
            os.path.relpath(item.fs_path) for stage in graph for item in (*stage.deps, *stage.outs)
        }
        before = fingerprint(paths)
        stale = stale_stages(repo, graph)
        if not stale:
            keep_fingerprint(paths, before)
    write_json(Path(path), {"needs": needs, "inputs": inputs, "stale": stale})


def _inputs(stage: Any, made: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Dependencies of a stage that are outputs or in one: path, stage, whether DVC caches it."""
    for dep in stage.deps:
        if not dep.is_in_repo:
            continue
        path = PurePath(dep.fs_path)
        out = next((made[str(p)] for p in (path, *path.parents) if str(p) in made), None)
        if out is not None:
            relative = str(path.relative_to(stage.repo.root_dir))
            yield relative, out.stage.addressing, bool(out.use_cache)


def _restore(names: list[str]) -> None:
    """Restore stages whose results are in the remote; the others stay as they are.

    Args:
        names: of the stages, each after those that it needs.

    Raises:
        DvcException: there is no default remote, or some stages could not be restored.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo
    from dvc.stage import run

    def refuse(stage: Any, **_: Any) -> None:
        raise DvcException(f"there are no results of {stage.addressing}")

    run.cmd_run = refuse  # instead of the stage's command
    missing = []
    with Repo(_wait_for_lock=True) as repo, lock_repo(repo):
        repo.cloud.get_remote()  # raises if there is none
        repo.stage_cache.pull(None)
        for name in names:
            (stage,) = repo.stage.collect(name)
            try:
                if any(needed in missing for needed in repo.index.graph.successors(stage)):
                    refuse(stage)
                if stage.reproduce(pull=True):
                    stage.dump(update_pipeline=False)
            except DvcException:
                missing.append(stage)
    if missing:
        names = sorted(stage.addressing for stage in missing)
        raise DvcException(f"the remote has no results of {', '.join(names)}")
