"""Live curves: recorded as training goes, completed at its end, never recorded twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.run_records import run_record, run_setup

from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.files import write_json
from ferbench.tracking.live import Recorder
from ferbench.tracking.runs import experiment_id, find_run
from ferbench.tracking.store import StoreError, connect

VARIANT = "ivsa"
ROWS = [{"epoch": float(i), "val_score": i / 4, "seconds": 1.0 + i} for i in range(3)]
WHOLE = [(0, 0.0), (1, 0.25), (2, 0.5)]
SETUP = run_setup()


@pytest.fixture
def recorder(own_store: Path, params: Params) -> Recorder:
    description = {"row": {"head": "pooled"}, "recipe": {"lr": 0.1}}
    write_json(Path("reports", params.study.name, "variants", f"{VARIANT}.json"), description)
    return Recorder(Run("demo", VARIANT, "tiny", 0), params)


def curve(name: str = "val_score") -> list[tuple[int, float]]:
    client = connect()
    run = find_run(client, experiment_id(client, "demo"), SETUP.run_key)
    assert run is not None
    points = client.get_metric_history(run.info.run_id, name)
    return [(point.step, point.value) for point in points]


def test_curves_appear_while_training_runs(recorder: Recorder) -> None:
    recorder.on_start(SETUP)
    recorder.on_epoch(ROWS[0])
    assert curve() == WHOLE[:1]
    recorder.on_epoch(ROWS[1])
    recorder.on_epoch(ROWS[2])
    recorder.on_end(run_record(), ROWS)
    assert curve() == WHOLE
    client = connect()
    run = find_run(client, experiment_id(client, "demo"), SETUP.run_key)
    assert run is not None
    assert run.info.status == "FINISHED"
    arithmetic = {"precision", "memory_format"}
    assert run.data.params.keys() == {"recipe.lr", "row.head", "deviations"} | arithmetic
    assert (run.data.metrics["best_val_score"], run.data.tags["best_epoch"]) == (0.8, "7")


def test_store_that_is_unusable_at_the_start_gets_the_whole_run_at_the_end(
    recorder: Recorder, own_store: Path
) -> None:
    kept = own_store.rename(own_store.with_suffix(".kept"))
    own_store.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        recorder.on_start(SETUP)
    recorder.on_epoch(ROWS[0])
    kept.replace(own_store)
    recorder.on_end(run_record(), ROWS)
    assert curve() == WHOLE


def test_epochs_that_the_store_missed_are_added_at_the_end(recorder: Recorder) -> None:
    recorder.on_start(SETUP)
    recorder.on_epoch(ROWS[0])
    recorder.on_end(run_record(), ROWS)
    assert curve() == WHOLE


def test_epoch_that_a_killed_training_repeats_is_recorded_once(
    recorder: Recorder, params: Params
) -> None:
    """It is killed after the record of an epoch and before its checkpoint."""
    recorder.on_start(SETUP)
    recorder.on_epoch(ROWS[0])
    recorder.on_epoch(ROWS[1])
    again = Recorder(Run("demo", VARIANT, "tiny", 0), params)
    again.on_start(SETUP)
    again.on_epoch(ROWS[1] | {"seconds": 9.0})
    again.on_epoch(ROWS[2])
    again.on_end(run_record(), ROWS)
    assert curve() == WHOLE
    assert [step for step, _ in curve("seconds")] == [0, 1, 2]


def test_point_that_differs_after_resuming_is_corrected(recorder: Recorder) -> None:
    recorder.on_start(SETUP)
    recorder.on_epoch(ROWS[0] | {"val_score": 0.125})
    recorder.on_end(run_record(), ROWS)
    assert sorted(curve()) == [(0, 0.0), (0, 0.125), *WHOLE[1:]]
