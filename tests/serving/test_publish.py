"""The record in MLflow, made whole from files, however often."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ferbench.cells import all_cells
from ferbench.files import write_json
from ferbench.params import Explain, Params
from ferbench.serving.publish import publish_study
from ferbench.training.tracking import connect, experiment_id


def runs() -> dict[str, Any]:
    client = connect()
    found = client.search_runs([experiment_id(client, "demo")])
    return {run.data.tags["run_key"]: run for run in found}


def test_a_restored_study_is_recorded_whole_and_twice_adds_nothing(
    study: Params, logged: list[str]
) -> None:
    first = publish_study(study)
    assert set(first) == {cell.name for cell in all_cells(study)}
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
