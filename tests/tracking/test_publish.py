"""The record in MLflow, made whole from files, however often."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock, Timeout

from ferbench.cli.stage import status_of
from ferbench.config.params import Explain, Params
from ferbench.config.runs import all_runs
from ferbench.files import read_json, write_json
from ferbench.tracking.publish import publish_study
from ferbench.tracking.runs import MlflowRun, connect, experiment_id, open_run, open_run_of
from ferbench.tracking.store import StoreError


def runs() -> dict[str, Any]:
    client = connect()
    found = client.search_runs([experiment_id(client, "demo")])
    return {run.data.tags["run_key"]: run for run in found}


def test_a_restored_study_is_recorded_whole_and_twice_adds_nothing(
    study: Params, logged: list[str]
) -> None:
    first = publish_study(study)
    assert set(first) == {cell.name for cell in all_runs(study)}
    assert publish_study(study) == first
    found = runs()
    assert {key: run.info.run_id for key, run in found.items()} == first
    run = found["ivsa-synthetic-0"]
    assert run.info.status == "FINISHED"
    assert run.data.params == {"row.head": "pooled", "recipe.lr": "0.1"}
    assert {"test/accuracy", "val/f1_macro", "train_loss"} <= run.data.metrics.keys()
    client = connect()
    curve = client.get_metric_history(run.info.run_id, "val_score")
    assert [point.step for point in curve] == list(range(1, 9))
    assert len(client.get_metric_history(run.info.run_id, "test/accuracy")) == 1
    detector = found["yolov5s-synthetic-0"].info.run_id
    sizes = client.get_metric_history(detector, "test_canvas/accuracy")
    assert [point.step for point in sizes] == [48, 640]
    assert len(run.inputs.dataset_inputs) == 1
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    files = {"run.json", "history.csv", "evaluation.json"}
    assert names == files | {
        f"{n}_test.png" for n in ("confusion", "classes", "precision_recall", "reliability")
    }
    assert "test/recall/anger" in run.data.metrics
    experiment = client.get_experiment(experiment_id(client, "demo"))
    assert "| synthetic | person_70_10_20 | ivsa |" in experiment.tags["mlflow.note.content"]


def curves(run_id: str) -> dict[str, list[tuple[int, float]]]:
    client = connect()
    names = client.get_run(run_id).data.metrics
    return {
        name: sorted((p.step, p.value) for p in client.get_metric_history(run_id, name))
        for name in names
    }


class Killed(BaseException):
    """What a signal does to a stage, at a place that a test chooses."""


@pytest.mark.parametrize(
    "step", ["log_points", "log_history", "log_dataset", "log_figure", "finish", "set_tags"]
)
def test_a_stage_that_is_killed_anywhere_ends_as_if_it_had_not_been(
    study: Params, logged: list[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    act, calls = getattr(MlflowRun, step), [0]

    def stop_midway(self: MlflowRun, *args: Any, **kwargs: Any) -> None:
        calls[0] += 1
        act(self, *args, **kwargs)
        if calls[0] == 3:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MlflowRun, step, stop_midway)
        with pytest.raises(Killed):
            publish_study(study)
    ids = publish_study(study)
    found = runs()
    assert {key: run.info.run_id for key, run in found.items()} == ids
    assert len(ids) == len(all_runs(study))
    for run in found.values():
        assert run.info.status == "FINISHED"
        assert len(run.inputs.dataset_inputs) == 1
        for name, points in curves(run.info.run_id).items():
            steps = [step for step, _ in points]
            assert len(steps) == len(set(steps)), name


def test_what_the_store_missed_while_it_was_away_is_added_and_nothing_twice(
    study: Params, logged: list[str]
) -> None:
    cell = all_runs(study)[0]
    history = pd.read_csv(cell.folder / "history.csv")
    rows = [dict(row) for _, row in history.iterrows()]
    begun = open_run("demo", "a", cell.name, {})
    for row in rows[:3]:
        begun.log_epoch(row)
    path = cell.folder / "run.json"
    write_json(path, read_json(path) | {"mlflow_run_id": None, "deviations": ["one"]})
    assert publish_study(study)[cell.name] == begun.run_id
    points = curves(begun.run_id)
    for name in history.columns.drop("epoch"):
        assert points[name] == list(zip(history["epoch"], history[name], strict=True))
    run = connect().get_run(begun.run_id)
    assert (run.info.status, run.data.params["deviations"]) == ("FINISHED", "one")


def test_a_part_of_a_curve_is_completed(study: Params, logged: list[str]) -> None:
    ids = publish_study(study)
    client = connect()
    whole = curves(ids["yolov5s-synthetic-0"])["test_canvas/accuracy"]
    client.delete_run(ids["yolov5s-synthetic-0"])
    run, _ = open_run_of(read_json(Path("runs/demo/yolov5s/synthetic/0/run.json")), "again")
    run.log_points([("test_canvas/accuracy", *whole[0])])
    assert publish_study(study)["yolov5s-synthetic-0"] == run.run_id
    assert curves(run.run_id)["test_canvas/accuracy"] == whole


def test_a_store_that_fails_ends_the_stage_with_its_remedy(
    study: Params, logged: list[str], own_store: Path
) -> None:
    own_store.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=f"{own_store}: is no SQLite database"):
        publish_study(study)
    own_store.unlink()
    assert set(publish_study(study)) == {cell.name for cell in all_runs(study)}


def test_a_disk_that_is_full_is_told_and_the_stage_goes_on_from_there(
    study: Params,
    logged: list[str],
    own_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy, calls = shutil.copyfileobj, [0]

    def full(*args: Any, **words: Any) -> None:  # by which MLflow writes a local store's files
        calls[0] += 1
        if calls[0] == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(*args, **words)

    def stage() -> None:
        publish_study(study)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        assert status_of(stage) == 2
    told = capsys.readouterr().err
    assert f"disk full while writing {own_store}" in told
    assert "remedy: free some space" in told
    assert status_of(stage) == 0
    assert {run.info.status for run in runs().values()} == {"FINISHED"}


def test_two_checkouts_that_publish_one_run_wait_for_each_other(
    study: Params, logged: list[str], own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def look(self: MlflowRun, *args: Any) -> None:
        with pytest.raises(Timeout):
            FileLock(f"{own_store}.track", is_singleton=False).acquire(timeout=0)
        held.append(self.run_id)

    monkeypatch.setattr(MlflowRun, "log_dataset", look)
    publish_study(study)
    assert len(held) == len(all_runs(study))
    FileLock(f"{own_store}.track").acquire(timeout=0)


def test_what_was_drawn_of_the_first_seed_is_recorded(study: Params, logged: list[str]) -> None:
    drawn = dataclasses.replace(study, explain={"faces": Explain(("saliency",), 4)})
    for variant in study.variants:
        folder = Path("runs", "demo", "_explain", "faces", variant, "synthetic")
        write_json(folder / "index.json", {"figures": [{"file": "saliency.png"}]})
        (folder / "saliency.png").write_bytes(b"a picture")
    ids = publish_study(drawn)
    client = connect()
    files = client.list_artifacts(ids["ivsa-synthetic-0"], "explain/faces")
    assert [file.path for file in files] == ["explain/faces/saliency.png"]
    assert client.list_artifacts(ids["ivsa-synthetic-1"], "explain/faces") == []


def test_the_model_of_each_variants_best_seed_alone_is_logged(
    study: Params, logged: list[str]
) -> None:
    publish_study(study)
    best = [key for key, run in runs().items() if run.data.tags["best_seed"] == "True"]
    assert sorted(logged) == sorted(best)
    assert {key.rsplit("-", 1)[0] for key in best} == {f"{v}-synthetic" for v in study.variants}
