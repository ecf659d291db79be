"""The gate that a registered model gives the predictions of its run's evaluation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
from tests.run_records import run_record
from tests.serving.models import THRESHOLD, lively, model_folder

from ferbench.artifacts.predictions import write_boxes, write_predictions
from ferbench.artifacts.runs import EvaluationRecord
from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset
from ferbench.evaluation.predict import predict_split
from ferbench.models.build import task_of
from ferbench.serving.predictor import Predictor
from ferbench.tracking.reproduction import reproduce


class Registered:
    """A registered model as MLflow loads it; some pictures can be altered before it sees them."""

    def __init__(self, predictor: Predictor, gain: float = 1.0) -> None:
        self.predictor, self.gain = predictor, gain

    def predict(self, pictures: list[Any], params: dict[str, Any]) -> list[list[dict[str, Any]]]:
        pictures = [(p * self.gain).astype(np.uint8) for p in pictures]
        if params.get("crop"):
            found = self.predictor.predict_crops(pictures)
        else:
            least = params["score_threshold"]
            found = self.predictor.predict(pictures, score_threshold=least)
        return [[face.as_json() for face in faces] for faces in found]


CARRIED = "/code/of/the/model"


@pytest.fixture(params=[("ivsa", "stored"), ("yolov5s", "scenes")], ids=["faces", "scenes"])
def evaluated(
    request: pytest.FixtureRequest, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Predictor]:
    """An evaluated run, and the predictor of its model."""
    variant, name = request.param
    data: PackedDataset = request.getfixturevalue(name)
    monkeypatch.chdir(data.paths.root)
    trained = lively(params, variant)
    run = Run(f"study_{tmp_path.name}", variant, data.paths.key, 0)
    found = predict_split(trained, data, "val", "cpu")
    write_predictions(run.folder / "val" / "predictions.parquet", found.predictions)
    write_boxes(run.folder / "val" / "boxes.parquet", found.boxes)
    run_record(task=task_of(trained.variant)).write(run.folder / "run.json")
    EvaluationRecord(device="cpu", splits={}).write(run.folder / "evaluation.json")
    model_folder(tmp_path / "model", params, variant)
    return run, Predictor.load(tmp_path / "model")


def load(monkeypatch: pytest.MonkeyPatch, model: Registered) -> None:
    def load_model(uri: str) -> Registered:
        sys.path = [CARRIED, *sys.path]  # as MLflow leaves it
        return {"models:/tiny/1": model}[uri]

    monkeypatch.setattr(mlflow.pyfunc, "load_model", load_model)


def test_model_of_the_run_reproduces_its_evaluation(
    evaluated: tuple[Run, Predictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, predictor = evaluated
    load(monkeypatch, Registered(predictor))
    found = reproduce("models:/tiny/1", run, THRESHOLD)
    assert found.passed
    assert found.faces >= 3
    assert found.difference < 1e-4 == found.tolerance
    assert CARRIED not in sys.path


def test_other_scale_of_pixels_is_noticed(
    evaluated: tuple[Run, Predictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, predictor = evaluated
    load(monkeypatch, Registered(predictor, gain=0.5))
    found = reproduce("models:/tiny/1", run, THRESHOLD)
    assert not found.passed
    assert found.difference > 1e-3


def test_evaluation_on_a_gpu_may_differ_more(
    evaluated: tuple[Run, Predictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, predictor = evaluated
    EvaluationRecord(device="cuda", splits={}).write(run.folder / "evaluation.json")
    load(monkeypatch, Registered(predictor))
    assert reproduce("models:/tiny/1", run, THRESHOLD).tolerance == 1e-2


class Blind(Registered):
    """A detector that shows nothing."""

    def predict(self, pictures: list[Any], params: dict[str, Any]) -> list[list[dict[str, Any]]]:
        return [[] for _ in pictures]


@pytest.mark.parametrize("evaluated", [("yolov5s", "scenes")], indirect=True)
def test_detector_that_misses_a_face_is_noticed(
    evaluated: tuple[Run, Predictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, predictor = evaluated
    load(monkeypatch, Blind(predictor))
    found = reproduce("models:/tiny/1", run, THRESHOLD)
    assert (found.difference, found.passed) == (1.0, False)
