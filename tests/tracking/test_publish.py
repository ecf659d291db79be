"""Stage `track` completes the MLflow runs of a study from its files, however often it runs."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from filelock import FileLock, Timeout

from ferbench.artifacts.claims import read_claims, write_claims
from ferbench.artifacts.runs import RunRecord, read_history
from ferbench.cli.stage import status_of
from ferbench.config.params import Explain, Params
from ferbench.config.runs import all_runs
from ferbench.files import write_json
from ferbench.reporting.run_charts import run_charts
from ferbench.tracking.publish import (
    _TABLES,
    RunTables,
    class_figure,
    missing_runs,
    precision_recall_figure,
    publish_study,
)
from ferbench.tracking.runs import MlflowRun, experiment_id, open_finished_run, open_run
from ferbench.tracking.store import StoreError, connect

pytestmark = pytest.mark.thorough

CLAIMS = Path("reports", "demo", "claims.csv")


def charts(tables: RunTables) -> list[SimpleNamespace]:
    """One chart, which shows the sizes of the tables."""
    sizes = (len(tables.confusion), len(tables.reliability))
    return [SimpleNamespace(name="sizes", svg=f"<svg>{sizes}</svg>")]


@pytest.fixture
def one_seed(study: Params) -> Params:
    """A run of a classifier, one of the control and one of a detector: more show nothing else."""
    variants = {name: study.variants[name] for name in ("vgg_improved", "ivsa", "yolov5s")}
    return dataclasses.replace(study, seeds=study.seeds[:1], variants=variants)


@pytest.fixture
def two_runs(one_seed: Params) -> Params:
    """A run of a classifier and one of a detector."""
    variants = {name: one_seed.variants[name] for name in ("ivsa", "yolov5s")}
    return dataclasses.replace(one_seed, variants=variants)


@pytest.fixture
def few_runs(study: Params) -> Params:
    """Two seeds of the control and of the variant that a claim is made of."""
    variants = {name: study.variants[name] for name in ("vgg_improved", "ivsa")}
    return dataclasses.replace(study, variants=variants)


def publish(params: Params) -> dict[str, str]:
    return publish_study(params, charts)


def test_claims_are_files_of_their_runs_and_a_table_of_the_note(
    one_seed: Params, logged: list[str]
) -> None:
    rows = [row for row in read_claims(CLAIMS) if row.variant_a == "ivsa"]
    assert {row.claim for row in rows} == {"p1_sab"}
    write_claims(CLAIMS, rows)
    publish(one_seed)
    client = connect()
    with_claims = {
        run.data.tags["variant"]
        for run in runs().values()
        if "claims.csv" in [file.path for file in client.list_artifacts(run.info.run_id)]
    }
    assert with_claims == {"ivsa", "vgg_improved"}
    note = client.get_experiment(experiment_id(client, "demo")).tags["mlflow.note.content"]
    cells = (
        f"| p1_sab | ivsa over vgg_improved | {rows[0].dataset} | {rows[0].protocol} | accuracy |"
    )
    assert cells in note
    assert f"{100 * rows[0].estimate:+.1f} [" in note
    assert f"| {rows[0].direction} |" in note


def test_runs_that_the_store_lacks_are_the_finished_ones_without_an_entry(
    two_runs: Params, logged: list[str]
) -> None:
    first, second = all_runs(two_runs)
    assert missing_runs(two_runs) == [first, second]
    publish(two_runs)
    assert missing_runs(two_runs) == []
    connect().delete_run(runs()[first.name].info.run_id)
    assert missing_runs(two_runs) == [first]
    (second.folder / "run.json").unlink()  # it is not trained, or not restored
    assert missing_runs(two_runs) == [first]


def test_a_study_without_claims_says_so(few_runs: Params, logged: list[str]) -> None:
    write_claims(CLAIMS, [])
    publish(few_runs)
    client = connect()
    note = client.get_experiment(experiment_id(client, "demo")).tags["mlflow.note.content"]
    assert "No claim of a paper" in note


def runs() -> dict[str, Any]:
    client = connect()
    found = client.search_runs([experiment_id(client, "demo")])
    return {run.data.tags["run_key"]: run for run in found}


def test_restored_study_is_recorded_completely_and_a_second_time_adds_nothing(
    one_seed: Params, logged: list[str]
) -> None:
    first = publish(one_seed)
    assert set(first) == {run.name for run in all_runs(one_seed)}
    assert publish(one_seed) == first
    found = runs()
    assert {key: run.info.run_id for key, run in found.items()} == first
    run = found["ivsa-synthetic-0"]
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        **{"row.head": "pooled", "recipe.lr": "0.1", "deviations": "none"},
        **{"precision": "32-true", "memory_format": "channels_last"},
    }
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
    files = {"run.json", "history.csv", "evaluation.json", "claims.csv"}
    assert names == files | {"classes_test.png", "precision_recall_test.png", "sizes.svg"}
    drawn = Path(client.download_artifacts(run.info.run_id, "sizes.svg")).read_text()
    assert re.fullmatch(r"<svg>\([1-9]\d*, [1-9]\d*\)</svg>", drawn)
    assert "test/recall/anger" in run.data.metrics
    experiment = client.get_experiment(experiment_id(client, "demo"))
    assert "| synthetic | person_70_10_20 | ivsa |" in experiment.tags["mlflow.note.content"]


def curves(run_id: str) -> dict[str, list[tuple[int, float]]]:
    """All points of a run, read from the store's file: MLflow reads one metric at a time."""
    question = "SELECT key, step, value FROM metrics WHERE run_uuid = ? ORDER BY step, value"
    found: dict[str, list[tuple[int, float]]] = {}
    with closing(sqlite3.connect("runs.db")) as file:
        for name, step, value in file.execute(question, [run_id]):
            found.setdefault(name, []).append((step, value))
    return found


class Killed(BaseException):
    """A signal that kills the stage."""


@pytest.mark.parametrize(
    "step",
    ["log_points", "complete", "log_dataset", "log_figure", "log_text", "finish", "set_tags"],
)
def test_stage_killed_anywhere_is_completed_by_the_next(
    two_runs: Params, logged: list[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    act, calls = getattr(MlflowRun, step), [0]

    def stop_midway(self: MlflowRun, *args: Any, **kwargs: Any) -> None:
        calls[0] += 1
        act(self, *args, **kwargs)
        if calls[0] == 2:  # of the second run, or within the first
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MlflowRun, step, stop_midway)
        with pytest.raises(Killed):
            publish(two_runs)
    ids = publish(two_runs)
    found = runs()
    assert {key: run.info.run_id for key, run in found.items()} == ids
    assert len(ids) == len(all_runs(two_runs))
    for run in found.values():
        assert run.info.status == "FINISHED"
        assert len(run.inputs.dataset_inputs) == 1
        points_of = curves(run.info.run_id)
        assert points_of
        for name, points in points_of.items():
            steps = [step for step, _ in points]
            assert len(steps) == len(set(steps)), name


def test_points_that_the_store_missed_are_added_once(one_seed: Params, logged: list[str]) -> None:
    run = all_runs(one_seed)[0]
    record = RunRecord.read(run.folder / "run.json")
    history = read_history(run.folder / "history.csv")
    begun = open_run(record)
    for row in history.to_dict("records")[:3]:
        begun.log_epoch(row)
    assert publish(one_seed)[run.name] == begun.run_id
    points = curves(begun.run_id)
    for name in history.columns.drop("epoch"):
        assert points[name] == list(zip(history["epoch"], history[name], strict=True))
    assert connect().get_run(begun.run_id).info.status == "FINISHED"


def test_partial_curve_is_completed(one_seed: Params, logged: list[str]) -> None:
    ids = publish(one_seed)
    client = connect()
    whole = curves(ids["yolov5s-synthetic-0"])["test_canvas/accuracy"]
    client.delete_run(ids["yolov5s-synthetic-0"])
    run = open_finished_run(RunRecord.read(Path("runs/demo/yolov5s/synthetic/0/run.json")))
    run.log_points([("test_canvas/accuracy", *whole[0])])
    assert publish(one_seed)["yolov5s-synthetic-0"] == run.run_id
    assert curves(run.run_id)["test_canvas/accuracy"] == whole


def test_faulty_store_fails_the_stage_with_its_remedy(
    one_seed: Params, logged: list[str], own_store: Path
) -> None:
    own_store.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=f"{own_store}: is damaged or not an SQLite database"):
        publish(one_seed)
    own_store.unlink()
    assert set(publish(one_seed)) == {cell.name for cell in all_runs(one_seed)}


def test_full_disk_is_reported_and_the_next_run_completes(
    one_seed: Params,
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
        publish(one_seed)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        assert status_of(stage) == 2
    error = capsys.readouterr().err
    assert f"disk full while writing {own_store}" in error
    assert "remedy: free some space" in error
    assert status_of(stage) == 0
    assert {run.info.status for run in runs().values()} == {"FINISHED"}


def test_checkouts_publish_one_at_a_time(
    one_seed: Params, logged: list[str], own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def try_lock(self: MlflowRun, *args: Any) -> None:
        with pytest.raises(Timeout):
            FileLock(f"{own_store}.track", is_singleton=False).acquire(timeout=0)
        held.append(self.run_id)

    monkeypatch.setattr(MlflowRun, "log_dataset", try_lock)
    publish(one_seed)
    assert len(held) == len(all_runs(one_seed))
    FileLock(f"{own_store}.track").acquire(timeout=0)


def test_explanations_of_the_first_seed_are_recorded(few_runs: Params, logged: list[str]) -> None:
    drawn = dataclasses.replace(few_runs, explain={"faces": Explain(("saliency",), 4)})
    for variant in few_runs.variants:
        folder = Path("runs", "demo", "_explain", "faces", variant, "synthetic")
        write_json(folder / "index.json", {"figures": [{"file": "saliency.png"}]})
        (folder / "saliency.png").write_bytes(b"a picture")
    ids = publish(drawn)
    client = connect()
    files = client.list_artifacts(ids["ivsa-synthetic-0"], "explain/faces")
    assert [file.path for file in files] == ["explain/faces/saliency.png"]
    assert client.list_artifacts(ids["ivsa-synthetic-1"], "explain/faces") == []


def test_only_the_model_of_each_variants_best_seed_is_logged(
    few_runs: Params, logged: list[str]
) -> None:
    publish(few_runs)
    best = [key for key, run in runs().items() if run.data.tags["best_seed"] == "True"]
    assert sorted(logged) == sorted(best)
    assert {key.rsplit("-", 1)[0] for key in best} == {f"{v}-synthetic" for v in few_runs.variants}


def test_stage_track_draws_the_reports_charts_of_one_run(scored: tuple[Params, Path]) -> None:
    params, root = scored
    run = all_runs(params)[0]
    reports = root / "reports" / "demo"
    tables = {name: pd.read_csv(reports / f"{name}.csv") for name in _TABLES}
    own = {
        name: table[(table["variant"] == run.variant) & (table["seed"] == run.seed)]
        for name, table in tables.items()
    }
    record = RunRecord.read(root / run.folder / "run.json")
    drawn = run_charts(RunTables(record, results=pd.DataFrame(), **own))
    assert [chart.name for chart in drawn] == ["confusion_test", "reliability_test"]
    assert all("<svg" in chart.svg for chart in drawn)


def test_figures_of_a_run_show_every_class() -> None:
    prob = {"anger": [0.9, 0.2, 0.0], "neutral": [0.1, 0.8, 0.0], "fear": [0.0, 0.0, 0.0]}
    names = {"image_id": ["a", "b", "c"], "target": ["anger", "neutral", "anger"]}
    (axes,) = precision_recall_figure(pd.DataFrame(names | prob)).axes
    shown = [line.get_label().partition(" ")[0] for line in axes.get_lines()]
    assert shown == ["anger", "neutral"], "a class without a face has no curve"
    rows = [(e, m, 0.5) for e in ("anger", "neutral") for m in ("precision", "recall", "f1", "ap")]
    (axes,) = class_figure(pd.DataFrame(rows, columns=["emotion", "metric", "value"])).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["anger", "neutral"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        *("precision", "recall", "f1"),
    ]
    plt.close("all")
