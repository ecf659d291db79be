"""MLflow runs: one a training, however often and by however many processes it is opened."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import ViewType
from tests.run_records import run_record, run_setup

from ferbench.files import write_json
from ferbench.locks import Process
from ferbench.tracking.runs import OWNER, experiment_id, find_run, open_finished_run, open_run
from ferbench.tracking.store import connect, store_uri

KEY = "a" * 64
pytestmark = pytest.mark.usefixtures("own_store")


def runs(view: int = ViewType.ACTIVE_ONLY) -> list[Any]:
    client = connect()
    found = client.search_runs([experiment_id(client, "demo")], run_view_type=view)
    return list(found)


def test_unfinished_run_is_continued() -> None:
    first = open_run(run_setup())
    again = open_run(run_setup(commit="newer"))
    assert again.run_id == first.run_id
    (run,) = runs()
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "ivsa-tiny-s0"
    assert (run.data.tags["seed"], run.data.tags["commit"]) == ("0", "newer")


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_failed_run_is_continued(status: str) -> None:
    first = open_run(run_setup())
    first.finish(status)
    assert open_run(run_setup()).run_id == first.run_id
    assert runs()[0].info.status == "RUNNING"


def test_finished_run_of_the_key_is_replaced() -> None:
    first = open_run(run_setup())
    first.finish()
    again = open_run(run_setup())
    assert again.run_id != first.run_id
    assert [run.info.run_id for run in runs()] == [again.run_id]
    assert [run.info.run_id for run in runs(ViewType.DELETED_ONLY)] == [first.run_id]


def test_other_key_opens_another_run() -> None:
    one, other = open_run(run_setup()), open_run(run_setup(run_key="b" * 64))
    assert one.run_id != other.run_id
    client = connect()
    experiment = experiment_id(client, "demo")
    assert find_run(client, experiment, "b" * 64).info.run_id == other.run_id  # type: ignore[union-attr]
    assert find_run(client, experiment, "c" * 64) is None


def test_older_runs_of_the_same_seed_are_marked_as_superseded() -> None:
    old = open_run(run_setup())
    other = open_run(run_setup(run_key="c" * 64, seed=1))
    new = open_run(run_setup(run_key="b" * 64))
    marked = {run.info.run_id for run in runs() if run.data.tags.get("superseded") == "true"}
    assert marked == {old.run_id}
    assert {other.run_id, new.run_id} <= {run.info.run_id for run in runs()}


def test_metric_logged_twice_is_recorded_once() -> None:
    run = open_run(run_setup())
    for value in (0.25, 0.25, 0.5):
        run.log_points([("test/accuracy", 0, value)])
    history = run.client.get_metric_history(run.run_id, "test/accuracy")
    assert sorted(point.value for point in history) == [0.25, 0.5]


def test_epoch_is_the_step_of_its_row() -> None:
    run = open_run(run_setup())
    run.log_epoch({"epoch": 0.0, "val_score": 0.5})
    run.log_epoch({"epoch": 1.0, "val_score": 0.75})
    points = run.client.get_metric_history(run.run_id, "val_score")
    assert [(point.step, point.value) for point in points] == [(0, 0.5), (1, 0.75)]
    assert "epoch" not in run.client.get_run(run.run_id).data.metrics


def test_params_have_flat_names_and_keep_their_first_value() -> None:
    run = open_run(run_setup())
    run.log_params({"recipe": {"lr": 0.1, "schedule": {"word": "cosine"}}, "input_px": 40})
    run.log_params({"recipe": {"lr": 0.2}, "channels": 1})
    assert run.client.get_run(run.run_id).data.params == {
        "recipe.lr": "0.1",
        "recipe.schedule.word": "cosine",
        "input_px": "40",
        "channels": "1",
    }


def test_data_set_is_logged_once(tmp_path: Path) -> None:
    write_json(tmp_path / "tiny.json", {"images": 30, "licence": "none"})
    run = open_run(run_setup())
    for _ in range(2):
        run.log_dataset(run_record(), tmp_path / "tiny.json")
    (logged,) = run.client.get_run(run.run_id).inputs.dataset_inputs
    assert logged.dataset.name == "tiny"
    assert logged.dataset.profile == '{"images": 30}'


def test_restored_run_gets_one_mlflow_run() -> None:
    run = open_finished_run(run_record())
    assert open_finished_run(run_record()).run_id == run.run_id
    (found,) = runs()
    assert found.data.tags["variant"] == "ivsa"
    assert found.data.tags["run_key"] == KEY


def test_finished_run_is_found_by_its_key() -> None:
    trained = open_run(run_setup())
    trained.finish()
    assert open_finished_run(run_record()).run_id == trained.run_id


def test_deleted_experiment_is_restored() -> None:
    client = connect()
    first = experiment_id(client, "demo")
    client.delete_experiment(first)
    assert experiment_id(client, "demo") == first
    assert client.get_experiment(first).lifecycle_stage == "active"


def test_default_store_is_the_projects_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert store_uri() == f"sqlite:///{tmp_path}/mlflow.db"


def _elsewhere(folder: Path, key: str, done: Any) -> None:
    """Another checkout's process, which opens a run and waits to be killed."""
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    done.put(open_run(run_setup(run_key=key)).run_id)
    time.sleep(3600)


@contextmanager
def checkout(folder: Path, key: str = KEY) -> Iterator[tuple[Any, str]]:
    """A process of another checkout that writes a run, and the run's id."""
    spawn = multiprocessing.get_context("spawn")
    done = spawn.SimpleQueue()
    child = spawn.Process(target=_elsewhere, args=(folder, key, done))
    child.start()
    try:
        while done.empty():
            assert child.is_alive(), f"the other process ended with {child.exitcode}"
            time.sleep(0.05)
        yield child, done.get()
    finally:
        child.kill()
        child.join()


def test_run_of_a_live_process_is_left_alone_and_taken_over_after_its_death(
    tmp_path: Path,
) -> None:
    with checkout(tmp_path / "other") as (child, theirs):
        ours = open_run(run_setup())
        assert ours.run_id != theirs
        assert open_finished_run(run_record()).run_id == ours.run_id
        ours.finish()
        status = {run.info.run_id: run.info.status for run in runs(ViewType.ALL)}
        assert status == {theirs: "RUNNING", ours.run_id: "FINISHED"}
        child.kill()
        child.join()
        assert open_run(run_setup()).run_id == theirs
    assert {run.info.run_id for run in runs(ViewType.DELETED_ONLY)} == {ours.run_id}


def test_run_that_is_being_written_is_not_marked_as_superseded(tmp_path: Path) -> None:
    newer = run_setup(run_key="b" * 64)
    old = open_run(run_setup())
    theirs = replace(Process.current(), host="another machine")
    old.set_tags({OWNER: theirs.to_json()})
    new = open_run(newer)
    assert "superseded" not in old.client.get_run(old.run_id).data.tags
    old.set_tags({OWNER: Process.current().to_json()})
    open_run(newer)
    assert old.client.get_run(old.run_id).data.tags["superseded"] == "true"
    assert open_run(run_setup()).run_id == old.run_id
    marks = {run.info.run_id: run.data.tags.get("superseded") for run in runs()}
    assert marks == {old.run_id: "false", new.run_id: "true"}


def test_finished_run_of_another_checkout_is_neither_deleted_nor_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = open_run(run_setup())
    theirs.finish()
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "second")
    ours = open_run(run_setup())
    assert {run.info.run_id for run in runs()} == {theirs.run_id, ours.run_id}


def test_each_checkout_finds_its_own_run_of_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found[name] = open_run(run_setup())
        found[name].finish()
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        assert open_finished_run(run_record()).run_id == found[name].run_id


def test_experiment_that_another_process_creates_first_is_used() -> None:
    client = connect()
    look = client.get_experiment_by_name
    unseen = [None]

    class Late:
        """A client that looked before the other process wrote."""

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def get_experiment_by_name(self, name: str) -> Any:
            return unseen.pop() if unseen else look(name)

    first = experiment_id(client, "demo")
    assert experiment_id(Late(), "demo") == first  # type: ignore[arg-type]


def _open_one(folder: Path, start: float, number: int, done: Any) -> None:
    folder.mkdir()
    os.chdir(folder)
    time.sleep(max(0.0, start - time.time()))
    done.put(open_run(run_setup(run_key=f"{number}" * 64, seed=number)).run_id)


@pytest.mark.slow
def test_checkouts_that_open_a_new_store_at_once_all_succeed(
    own_store: Path, tmp_path: Path
) -> None:
    """Without the lock, the migrations of several first contacts break the store for good."""
    own_store.unlink()
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Queue()
    start = time.time() + 4
    children = [
        spawn.Process(target=_open_one, args=(tmp_path / f"checkout_{n}", start, n, done))
        for n in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert len({done.get() for _ in children}) == 4
    assert len(runs()) == 4


def curve(name: str) -> list[float]:
    client = connect()
    run = find_run(client, experiment_id(client, "demo"), KEY)
    assert run is not None
    points = client.get_metric_history(run.info.run_id, name)
    return [point.step for point in points]


def test_nan_and_infinity_are_recorded_once() -> None:
    history = [{"epoch": i, "val_loss": v} for i, v in enumerate([float("nan"), float("inf")])]
    run = open_run(run_setup())
    for _ in range(2):
        run.complete(run_record(val_score=float("nan")), history)
    assert curve("val_loss") == [0, 1]
    assert curve("best_val_score") == [0]


def test_long_history_is_logged_in_batches() -> None:
    run = open_run(run_setup())
    rows = [{"epoch": i, "val_score": 0.5, "lr": 0.1} for i in range(700)]
    run.complete(run_record(), rows)
    assert len(curve("val_score")) == len(curve("lr")) == 700
