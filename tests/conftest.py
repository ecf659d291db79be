"""What tests of several packages share: tiny data, a tiny study, an MLflow store of one's own."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_study import make_scenes, make_stored, small_params

from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test: at the end, one worker would wait for the other."""
    items.sort(key=lambda item: "test_pipeline.py" not in item.nodeid)


def pytest_collection_finish() -> None:
    """Keep what imports made out of later collections, which statsmodels asks for at every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def small_probe() -> Iterator[None]:
    """Let ultralytics find a detector's strides on 64 px: on its 256 px that is half of a build.

    It draws nothing and leaves no trace but the strides, which are the same.
    """
    tasks = sys.modules.get("ultralytics.nn.tasks")
    if tasks is None:  # no collected test builds a detector
        yield
        return
    whole = tasks.DetectionModel.forward

    def forward(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(self, "stride"):  # set by what the probe finds
            return whole(self, x, *args, **kwargs)
        factor = x.shape[-1] // 64
        raw = whole(self, x[..., ::factor, ::factor])
        maps = raw.get("one2many", raw)["feats"]
        return {"feats": [m.new_empty(1, 1, m.shape[-2] * factor, 1) for m in maps]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.DetectionModel, "forward", forward)
        yield


@pytest.fixture(scope="session")
def import_path() -> frozenset[str]:
    return frozenset(sys.path)


@pytest.fixture(autouse=True)
def only_this_ferbench(import_path: frozenset[str]) -> Iterator[None]:
    """Refuse a test that leaves another ferbench in `sys.path`, as MLflow does when a model is
    loaded: processes of later tests would import it.
    """
    yield
    others = [
        path for path in sys.path if path not in import_path and (Path(path) / "ferbench").is_dir()
    ]
    sys.path[:] = [path for path in sys.path if path not in others]
    assert not others


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    return make_stored(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    return make_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def params() -> Params:
    return small_params()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store with its tables: making them takes seconds, copying them nothing."""
    from ferbench.tracking.store import connect

    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/runs.db")
        connect()
    return folder / "runs.db"


@pytest.fixture
def own_store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of the test's own, in its folder, which is the current one."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(empty_store, tmp_path / "runs.db"))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `ferbench.files` writes meets a full disk, as `/dev/full` is one."""

    def mkstemp(prefix: str, suffix: str, dir: Path) -> tuple[int, str]:  # noqa: A002
        path = dir / f"{prefix}{suffix}"
        path.symlink_to("/dev/full")
        return os.open(os.devnull, os.O_RDONLY), str(path)

    monkeypatch.setattr("ferbench.files.tempfile.mkstemp", mkstemp)
