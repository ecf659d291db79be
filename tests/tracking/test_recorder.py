"""A training goes on without its store, which gets what it missed, once."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from ferbench.tracking.live import Recorder
from ferbench.tracking.runs import connect, experiment_id, find_run, open_run

KEY = "a" * 64
ROWS = [{"epoch": float(i), "val_score": i / 4, "seconds": 1.0 + i} for i in range(3)]


@pytest.fixture
def store(own_store: Path) -> Path:
    return own_store


def recorder() -> Recorder:
    return Recorder("demo", "ivsa-tiny-s0", KEY, {"seed": 0}, {"recipe": {"lr": 0.1}})


def finish(recorder: Recorder) -> None:
    recorder.finish(ROWS, {"best_val_score": 0.5}, {"best_epoch": 2}, {"initial_weights": {}})


def curve(name: str = "val_score") -> list[tuple[int, float]]:
    client = connect()
    run = find_run(client, experiment_id(client, "demo"), KEY)
    assert run is not None
    points = client.get_metric_history(run.info.run_id, name)
    return [(point.step, point.value) for point in points]


WHOLE = [(0, 0.0), (1, 0.25), (2, 0.5)]


def test_a_training_is_recorded_as_it_goes(store: Path) -> None:
    running = recorder()
    running.epoch(ROWS[0])
    assert curve() == WHOLE[:1]
    running.epoch(ROWS[1])
    running.epoch(ROWS[2])
    finish(running)
    assert curve() == WHOLE
    client = connect()
    run = client.get_run(running.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"recipe.lr": "0.1"}
    assert (run.data.metrics["best_val_score"], run.data.tags["best_epoch"]) == (0.5, "2")


def test_a_store_that_is_away_at_first_gets_all_at_the_end(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = store.rename(store.with_suffix(".away"))
    store.write_bytes(b"no database" * 1000)
    with caplog.at_level(logging.WARNING):
        running = recorder()
        for row in ROWS:
            running.epoch(row)
    assert running.run_id is None
    (message,) = [r.message for r in caplog.records if r.name == "ferbench.tracking.live"]
    assert f"warning: sqlite:///{store}: is no SQLite database" in message
    assert "remedy: " in message
    assert "training goes on; the stage `track` publishes its history" in message
    away.replace(store)
    finish(running)
    assert curve() == WHOLE
    assert running.run_id is not None


def test_a_store_that_stays_away_is_told_once(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = recorder()
    running.epoch(ROWS[0])
    kept = Path(shutil.copy(store, store.with_suffix(".kept")))
    store.unlink()
    with caplog.at_level(logging.WARNING):
        for row in ROWS[1:]:
            running.epoch(row)
        finish(running)
    assert [r.name for r in caplog.records if "warning: " in r.message] == [
        "ferbench.tracking.live"
    ]
    kept.replace(store)


def test_a_killed_trainings_points_are_not_said_again(store: Path) -> None:
    """It is killed between the record of an epoch and its checkpoint, so it repeats the epoch."""
    killed = recorder()
    killed.epoch(ROWS[0])
    killed.epoch(ROWS[1])
    again = recorder()
    assert again.run_id == killed.run_id
    again.epoch(ROWS[1] | {"seconds": 9.0})
    again.epoch(ROWS[2])
    finish(again)
    assert curve() == WHOLE
    assert [step for step, _ in curve("seconds")] == [0, 1, 2]


def test_a_point_that_came_out_otherwise_is_corrected(store: Path) -> None:
    killed = recorder()
    killed.epoch(ROWS[0] | {"val_score": 0.125})
    finish(recorder())
    assert sorted(curve()) == [(0, 0.0), (0, 0.125), *WHOLE[1:]]


def test_numbers_that_are_none_are_said_once(store: Path) -> None:
    odd = [{"epoch": float(i), "val_loss": v} for i, v in enumerate([float("nan"), float("inf")])]
    run = open_run("demo", "a", KEY, {})
    for _ in range(2):
        run.log_history(odd)
        run.log_values({"best_val_score": float("nan")})
    assert [step for step, _ in curve("val_loss")] == [0, 1]
    assert len(curve("best_val_score")) == 1


def test_a_long_history_is_said_in_parts(store: Path) -> None:
    run = open_run("demo", "a", KEY, {})
    run.log_history([{"epoch": float(i), "val_score": 0.5, "lr": 0.1} for i in range(700)])
    assert len(curve()) == len(curve("lr")) == 700


def test_a_defect_of_the_record_stops_no_training(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = recorder()
    with caplog.at_level(logging.WARNING):
        running.epoch({"val_score": 0.5})
    assert "warning: KeyError: 'epoch'" in caplog.text
    finish(running)
    assert curve() == WHOLE
