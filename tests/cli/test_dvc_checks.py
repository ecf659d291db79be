"""Stages are out of date by one look at every path exactly if `dvc status` lists them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.lock import LockError
from dvc.output import Output
from dvc.repo import Repo, lock_repo

from ferbench.cli.dvc_checks import stale_stages

PIPELINE = """
stages:
  split:
    cmd: split
    deps: [code, raw]
    params: [seed]
    outs: [faces]
  train:
    matrix: {seed: [0, 1]}
    cmd: train ${item.seed}
    deps: [code, faces/one]
    params: [rate]
    outs: ["model${item.seed}"]
"""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A pipeline that is up to date, whose folder is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    for name in ("code/a.py", "code/b.py", "raw", "faces/one", "model0", "model1"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    Path("params.yaml").write_text("{seed: 0, rate: 0.1}")
    Path("dvc.yaml").write_text(PIPELINE)
    with Repo.init(no_scm=True) as found:
        found.commit(force=True)
        yield found


def write(name: str, text: str) -> None:
    Path(name).unlink()  # it may be a link into DVC's cache
    Path(name).write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "stale"),
    [
        ("code/b.py", "other", ["split", "train@0", "train@1"]),
        ("raw", "other", ["split"]),
        ("faces/one", "other", ["split", "train@0", "train@1"]),
        ("model1", "other", ["train@1"]),
        ("params.yaml", "{seed: 0, rate: 0.2}", ["train@0", "train@1"]),
        ("params.yaml", "{seed: 0}", ["train@0", "train@1"]),
        ("dvc.yaml", PIPELINE.replace("cmd: split", "cmd: divide"), ["split"]),
        ("raw", "raw", []),
    ],
)
def test_stages_are_stale_as_dvc_status_says(
    repo: Any, name: str, text: str, stale: list[str]
) -> None:
    write(name, text)
    with lock_repo(repo):
        assert stale_stages(repo, repo.index.stages) == stale
    assert sorted(repo.status()) == stale


def test_every_path_is_hashed_once(repo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    look = Output._get_hash_meta

    def counted(self: Any) -> Any:
        hashed.append(Path(self.fs_path).relative_to(Path.cwd()).as_posix())
        return look(self)

    monkeypatch.setattr(Output, "_get_hash_meta", counted)
    with lock_repo(repo):
        stale_stages(repo, repo.index.stages)
    assert sorted(hashed) == ["code", "faces", "faces/one", "model0", "model1", "raw"]
    assert Output._get_hash_meta is counted


def test_what_another_process_writes_is_not_judged(repo: Any) -> None:
    place = Path(".dvc/tmp/rwlock")
    with lock_repo(repo):
        stale_stages(repo, repo.index.stages)
        assert not any(json.loads(place.read_text()).values())
        owner = {"pid": os.getppid(), "cmd": "dvc repro"}
        place.write_text(json.dumps({"write": {str(Path("model0").absolute()): owner}}))
        with pytest.raises(LockError, match="model0"):
            stale_stages(repo, repo.index.stages)
