"""One picture has the same probabilities on every way through a network.

The ways are validation by Lightning, stage `evaluate`, the predictor, ONNX Runtime, and the
registered model, which `tests/tracking/test_served_model.py` adds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Trainer
from tests.serving.models import lively

from ferbench.artifacts.pack import Pack
from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.evaluation.predict import Predicted, predict_split
from ferbench.models.weights import Trained
from ferbench.serving.engines import OnnxEngine, TorchEngine
from ferbench.serving.export import predict_by
from ferbench.serving.onnx_export import export_onnx
from ferbench.serving.predictor import Predictor, distinct_faces
from ferbench.training.modules import ClassifierModule, DetectorModule, SelectionMetric

TOLERANCE = 1e-4
KEYS = ["image_id", "face"]


def validated(trained: Trained, data: PackedDataset, monkeypatch: pytest.MonkeyPatch) -> Predicted:
    """What Lightning's validation reads of a network on val."""
    read: list[Predicted] = []

    def value(self: SelectionMetric, tables: Predicted, *, detects: bool) -> float:
        del self, detects
        read.append(tables)
        return 0.0

    monkeypatch.setattr(SelectionMetric, "value", value)
    detects = trained.variant.head == "detect"
    dataset = (SceneDataset if detects else FaceDataset)(
        data.pack, data.faces("val"), trained.recipe, seed=0
    )
    counts = torch.ones(len(trained.classes))
    kind = DetectorModule if detects else ClassifierModule
    metric = SelectionMetric("accuracy", 0.5)
    module = kind(trained.variant, trained.recipe, counts, 0, metric)
    module.network.load_state_dict(trained.network.state_dict())
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", devices=1, enable_checkpointing=False, **quiet)
    trainer.validate(module, loader(dataset, EpochSampler(len(dataset), None), 4), verbose=False)
    return read[-1]


def probabilities(table: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    return table.sort_values(KEYS)[list(classes)].to_numpy()


def check_parity(found: Predicted, expected: Predicted, classes: tuple[str, ...]) -> None:
    """Equal probabilities of every face, some of which has a prediction, and as many boxes."""
    prob = probabilities(expected.predictions, classes)
    assert prob.sum(axis=1).max() > 0.99
    assert np.abs(probabilities(found.predictions, classes) - prob).max() < TOLERANCE
    assert len(found.boxes) == len(expected.boxes)


@pytest.mark.parametrize(
    ("variant", "data"), [("ivsa", "stored"), ("yolov5s", "scenes"), ("yolov5s", "stored")]
)
def test_validation_and_folded_network_agree_with_evaluation(
    variant: str,
    data: str,
    params: Params,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed: PackedDataset = request.getfixturevalue(data)
    trained = lively(params, variant)
    expected = predict_split(trained, packed, "val", "cpu")
    check_parity(validated(trained, packed, monkeypatch), expected, trained.classes)
    folded = TorchEngine(trained, torch.device("cpu"))
    check_parity(predict_by(folded, trained, packed, "val"), expected, trained.classes)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("variant", "data"),
    [("ivsa", "stored"), pytest.param("yolov5s", "scenes", marks=pytest.mark.slow)],
)
def test_onnx_runtime_agrees_with_evaluation(
    variant: str, data: str, params: Params, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    packed: PackedDataset = request.getfixturevalue(data)
    trained = lively(params, variant)
    export_onnx(trained, tmp_path / "model.onnx")
    # Neither paths of this machine nor names of code files are written.
    assert b".py" not in (tmp_path / "model.onnx").read_bytes()
    found = predict_by(OnnxEngine(tmp_path / "model.onnx"), trained, packed, "val")
    expected = predict_split(trained, packed, "val", "cpu")
    check_parity(found, expected, trained.classes)


def test_classifier_gives_evaluations_probabilities(
    classifier: Path, params: Params, stored: PackedDataset
) -> None:
    trained = lively(params, "ivsa")
    expected = predict_split(trained, stored, "val", "cpu").predictions.sort_values(KEYS)
    pack, predictor = Pack(stored.pack), Predictor.load(classifier)
    faces = predictor.predict_crops([pack.image(name) for name in expected["image_id"]])
    for (face,), row in zip(faces, expected.to_dict("records"), strict=True):
        assert list(face.probabilities) == list(trained.classes)
        assert all(abs(face.probabilities[c] - row[c]) < TOLERANCE for c in trained.classes)
        assert face.emotion == max(trained.classes, key=lambda c: row[c])
        assert (face.box, face.face_score) == ((0, 0, 1, 1), 1)


def test_classifier_gives_evaluations_probabilities_of_boxes(
    params: Params, scenes: PackedDataset, tmp_path: Path
) -> None:
    """Several faces in a picture, none of them the whole."""
    from tests.serving.models import model_folder

    trained, _ = model_folder(tmp_path / "model", params, "vgg_improved")
    expected = predict_split(trained, scenes, "val", "cpu").predictions.sort_values(KEYS)
    pack, faces = Pack(scenes.pack), scenes.faces("val").frame
    images, boxes = [], []
    for name, rows in faces.groupby("image_id", sort=True):
        centre, size = rows[["cx", "cy"]].to_numpy(), rows[["w", "h"]].to_numpy()
        images.append(pack.image(str(name)))
        boxes.append(np.hstack([centre - size / 2, centre + size / 2]))
    found = np.concatenate(Predictor.load(tmp_path / "model").classify(images, boxes))
    assert np.abs(found - probabilities(expected, trained.classes)).max() < TOLERANCE


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.2])
def test_detector_gives_evaluations_boxes(
    detector: Path, params: Params, scenes: PackedDataset, threshold: float
) -> None:
    trained = lively(params, "yolov5s")
    table = predict_split(trained, scenes, "val", "cpu").boxes
    pack, predictor = Pack(scenes.pack), Predictor.load(detector)
    predicted = table[~table["truth"]]
    names = sorted(table["image_id"].unique())
    images = [pack.image(name) for name in names]
    shown = predictor.predict(images, score_threshold=threshold)
    for name, faces in zip(names, shown, strict=True):
        own = predicted[predicted["image_id"] == name].sort_values("score", ascending=False)
        corners = own[["left", "top", "right", "bottom"]].to_numpy()
        kept = own.iloc[distinct_faces(corners, own["score"].to_numpy(), threshold)]
        assert len(faces) == len(kept)
        for face, row in zip(faces, kept.to_dict("records"), strict=True):
            scores = np.array([row[c] for c in trained.classes])
            prob = np.array(list(face.probabilities.values()))
            assert np.abs(prob - scores / scores.sum()).max() < TOLERANCE
            assert abs(face.face_score - row["score"]) < TOLERANCE
            place = np.array([row[c] for c in ("left", "top", "right", "bottom")])
            assert np.abs(np.array(face.box) - place).max() < TOLERANCE


def test_detector_gives_evaluations_probabilities_of_an_aligned_face(
    detector: Path, params: Params, stored: PackedDataset
) -> None:
    trained = lively(params, "yolov5s")
    expected = predict_split(trained, stored, "val", "cpu").predictions.sort_values(KEYS)
    pack, predictor = Pack(stored.pack), Predictor.load(detector)
    faces = predictor.predict_crops([pack.image(name) for name in expected["image_id"]])
    assert any(faces)
    for found, row in zip(faces, expected.to_dict("records"), strict=True):
        prob = np.array([row[c] for c in trained.classes])
        if not found:
            assert not prob.any()
            continue
        own = np.array(list(found[0].probabilities.values()))
        assert np.abs(own - prob).max() < TOLERANCE
