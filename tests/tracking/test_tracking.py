"""One run a cell in MLflow, however often and by however many it is opened."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow.entities import ViewType

from ferbench.files import write_json
from ferbench.tracking import runs as tracking
from ferbench.tracking.runs import connect, experiment_id, find_run, open_run, open_run_of
from ferbench.tracking.store import OWNER, Owner, this_process

KEY = "a" * 64
RECORD = {
    "study": "demo",
    "variant": "ivsa",
    "dataset": "tiny",
    "name": "tiny",
    "protocol": "official",
    "seed": 0,
    "task": "classify",
    "paper": "p1",
    "commit": "none",
    "run_key": KEY,
    "data_digest": "d" * 64,
}


pytestmark = pytest.mark.usefixtures("own_store")


def runs(view: int = ViewType.ACTIVE_ONLY) -> list[Any]:
    client = connect()
    found = client.search_runs([experiment_id(client, "demo")], run_view_type=view)
    return list(found)


def test_an_unfinished_run_is_gone_on_with() -> None:
    first = open_run("demo", "ivsa-tiny-s0", KEY, {"seed": 0})
    again = open_run("demo", "ivsa-tiny-s0", KEY, {"seed": 0, "resumed": True})
    assert again.run_id == first.run_id
    (run,) = runs()
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "ivsa-tiny-s0"
    assert (run.data.tags["seed"], run.data.tags["resumed"]) == ("0", "True")


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_failed_run_is_gone_on_with_too(status: str) -> None:
    first = open_run("demo", "a", KEY, {})
    first.finish(status)
    assert open_run("demo", "a", KEY, {}).run_id == first.run_id
    assert runs()[0].info.status == "RUNNING"


def test_a_finished_run_makes_place_for_a_new_one() -> None:
    first = open_run("demo", "a", KEY, {})
    first.finish()
    again = open_run("demo", "a", KEY, {})
    assert again.run_id != first.run_id
    assert [run.info.run_id for run in runs()] == [again.run_id]
    assert [run.info.run_id for run in runs(ViewType.DELETED_ONLY)] == [first.run_id]


def test_another_key_is_another_run() -> None:
    one, other = open_run("demo", "a", KEY, {}), open_run("demo", "a", "b" * 64, {})
    assert one.run_id != other.run_id
    client = connect()
    experiment = experiment_id(client, "demo")
    assert find_run(client, experiment, "b" * 64).info.run_id == other.run_id  # type: ignore[union-attr]
    assert find_run(client, experiment, "c" * 64) is None


def test_older_runs_of_a_cell_are_marked_and_other_cells_runs_are_not() -> None:
    cell = {"variant": "ivsa", "dataset": "tiny", "seed": 0}
    old = open_run("demo", "a", KEY, cell)
    other = open_run("demo", "b", "c" * 64, cell | {"seed": 1})
    new = open_run("demo", "a", "b" * 64, cell)
    marked = {run.info.run_id for run in runs() if run.data.tags.get("superseded") == "true"}
    assert marked == {old.run_id}
    assert {other.run_id, new.run_id} <= {run.info.run_id for run in runs()}


def test_final_numbers_said_twice_are_there_once() -> None:
    run = open_run("demo", "a", KEY, {})
    for value in (0.25, 0.25, 0.5):
        run.log_values({"test/accuracy": value})
    history = run.client.get_metric_history(run.run_id, "test/accuracy")
    assert sorted(point.value for point in history) == [0.25, 0.5]


def test_an_epoch_is_the_step_of_its_row() -> None:
    run = open_run("demo", "a", KEY, {})
    run.log_epoch({"epoch": 0.0, "val_score": 0.5})
    run.log_epoch({"epoch": 1.0, "val_score": 0.75})
    points = run.client.get_metric_history(run.run_id, "val_score")
    assert [(point.step, point.value) for point in points] == [(0, 0.5), (1, 0.75)]
    assert "epoch" not in run.client.get_run(run.run_id).data.metrics


def test_parameters_have_flat_names_and_keep_their_first_value() -> None:
    run = open_run("demo", "a", KEY, {})
    run.log_params({"recipe": {"lr": 0.1, "schedule": {"word": "cosine"}}, "input_px": 40})
    run.log_params({"recipe": {"lr": 0.2}, "channels": 1})
    assert run.client.get_run(run.run_id).data.params == {
        "recipe.lr": "0.1",
        "recipe.schedule.word": "cosine",
        "input_px": "40",
        "channels": "1",
    }


def test_the_data_set_is_told_once(tmp_path: Path) -> None:
    write_json(tmp_path / "tiny.json", {"images": 30, "licence": "none"})
    run = open_run("demo", "a", KEY, {})
    for _ in range(2):
        run.log_dataset(RECORD, tmp_path / "tiny.json")
    (told,) = run.client.get_run(run.run_id).inputs.dataset_inputs
    assert told.dataset.name == "tiny"
    assert told.dataset.profile == '{"images": 30}'


def test_a_finished_cell_of_another_machine_gets_its_run_once() -> None:
    run, new = open_run_of(RECORD, "ivsa-tiny-s0")
    again, new_again = open_run_of(RECORD, "ivsa-tiny-s0")
    assert (new, new_again) == (True, False)
    assert again.run_id == run.run_id
    (found,) = runs()
    assert found.data.tags["variant"] == "ivsa"
    assert found.data.tags["run_key"] == KEY


def test_a_run_of_this_machine_is_found_by_its_record() -> None:
    trained = open_run("demo", "a", KEY, {})
    trained.finish()
    run, new = open_run_of(RECORD, "a")
    assert (run.run_id, new) == (trained.run_id, False)


def test_a_deleted_experiment_comes_back() -> None:
    client = connect()
    first = experiment_id(client, "demo")
    client.delete_experiment(first)
    assert experiment_id(client, "demo") == first
    assert client.get_experiment(first).lifecycle_stage == "active"


def test_without_a_variable_the_store_is_the_projects_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking.store_uri() == f"sqlite:///{tmp_path}/mlflow.db"


def _elsewhere(folder: Path, key: str, done: Any) -> None:
    """Another checkout's process, which opens a run and lives until it is killed."""
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    done.put(open_run("demo", "elsewhere", key, {"seed": 0}).run_id)
    time.sleep(3600)


@contextmanager
def checkout(folder: Path, key: str = KEY) -> Iterator[tuple[Any, str]]:
    """A process of another checkout that writes a run, and the run's id."""
    spawn = multiprocessing.get_context("spawn")
    done = spawn.SimpleQueue()
    child = spawn.Process(target=_elsewhere, args=(folder, key, done))
    child.start()
    try:
        yield child, done.get()
    finally:
        child.kill()
        child.join()


def test_a_run_that_a_living_process_writes_is_left_alone_and_a_dead_ones_is_taken_over(
    tmp_path: Path,
) -> None:
    with checkout(tmp_path / "other") as (child, theirs):
        ours = open_run("demo", "a", KEY, {"seed": 0})
        assert ours.run_id != theirs
        found, new = open_run_of(RECORD | {"mlflow_run_id": theirs}, "a")
        assert (found.run_id, new) == (ours.run_id, False)
        ours.finish()
        status = {run.info.run_id: run.info.status for run in runs(ViewType.ALL)}
        assert status == {theirs: "RUNNING", ours.run_id: "FINISHED"}
        child.kill()
        child.join()
        assert open_run("demo", "a", KEY, {"seed": 0}).run_id == theirs
    assert {run.info.run_id for run in runs(ViewType.DELETED_ONLY)} == {ours.run_id}


def test_a_run_that_is_being_written_is_not_marked_as_superseded(tmp_path: Path) -> None:
    cell = {"variant": "ivsa", "dataset": "tiny", "seed": 0}
    old = open_run("demo", "a", KEY, cell)
    theirs = Owner(**(asdict(this_process()) | {"host": "another machine"}))
    old.set_tags({OWNER: theirs.tag()})
    new = open_run("demo", "a", "b" * 64, cell)
    assert "superseded" not in old.client.get_run(old.run_id).data.tags
    old.set_tags({OWNER: this_process().tag()})
    open_run("demo", "a", "b" * 64, cell)
    assert old.client.get_run(old.run_id).data.tags["superseded"] == "true"
    assert open_run("demo", "a", KEY, cell).run_id == old.run_id
    marks = {run.info.run_id: run.data.tags.get("superseded") for run in runs()}
    assert marks == {old.run_id: "false", new.run_id: "true"}


def test_a_finished_run_of_another_checkout_is_neither_binned_nor_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = open_run("demo", "a", KEY, {})
    theirs.finish()
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "second")
    ours = open_run("demo", "a", KEY, {})
    assert {run.info.run_id for run in runs()} == {theirs.run_id, ours.run_id}


def test_each_checkout_finds_its_own_run_of_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found[name] = open_run("demo", "a", KEY, {})
        found[name].finish()
    monkeypatch.chdir(tmp_path / "one")
    assert open_run_of(RECORD, "a")[0].run_id == found["one"].run_id
    record = RECORD | {"mlflow_run_id": found["two"].run_id}  # as DVC restores it
    assert open_run_of(record, "a")[0].run_id == found["two"].run_id


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({}, False),
        ({"host": "another machine"}, True),
        ({"space": "pid:[1]"}, True),
        ({"pid": 1, "started": 0.0}, False),  # another process has its number by now
        ({"pid": 2**22 + 1}, False),  # Linux gives no such number
    ],
)
def test_an_owner_counts_as_alive_unless_it_is_known_to_be_dead(
    change: dict[str, Any], another: bool
) -> None:
    assert Owner(**(asdict(this_process()) | change)).is_another() is another


def test_a_living_process_is_another_owner() -> None:
    parent = psutil.Process(os.getppid())
    more = {"pid": parent.pid, "started": parent.create_time()}
    assert Owner(**(asdict(this_process()) | more)).is_another()


@pytest.mark.parametrize("tag", ["", "[]", "{}", '{"pid": 1}', "nobody"])
def test_a_tag_that_names_no_owner_is_passed_over(tag: str) -> None:
    assert Owner.of({OWNER: tag}) is None
    assert Owner.of({OWNER: this_process().tag()}) == this_process()


def test_an_experiment_that_another_process_makes_first_is_used() -> None:
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
    done.put(open_run("demo", f"run {number}", f"{number}" * 64, {}).run_id)


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
