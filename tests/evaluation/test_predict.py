"""Predictions of stage `evaluate`: one row for every labelled face, found or missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.tiny_study import CLASSES

from ferbench.artifacts.predictions import (
    FACE_KEY,
    read_boxes,
    read_predictions,
    write_boxes,
    write_predictions,
)
from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset
from ferbench.detection.boxes import Boxes
from ferbench.evaluation import predict
from ferbench.evaluation.predict import Predicted, predict_split
from ferbench.models.build import build_network
from ferbench.models.weights import Trained

# Where the images of split val of `scenes` (61 x 33 pixels) are in an input of 32 x 32.
LEFT, WIDTH, HEIGHT = 7, 17, 32


def untrained(params: Params, variant: str) -> Trained:
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, len(CLASSES), seed=0)
    return Trained(network.eval(), row, recipe, CLASSES)


def found(*rows: tuple[float, float, float, float, int, float]) -> Boxes:
    """Boxes (cx, cy, w, h, class, score), fractions of the image, in pixels of the input."""
    table = torch.tensor(rows).reshape(-1, 6).double()
    centre, half = table[:, :2], table[:, 2:4] / 2
    corners = torch.cat([centre - half, centre + half], dim=1)
    pixels = corners * torch.tensor([WIDTH, HEIGHT] * 2) + torch.tensor([LEFT, 0] * 2)
    cls, score = table[:, 4].long(), table[:, 5]
    prob = torch.full((len(table), len(CLASSES)), 0.1).double()
    prob[torch.arange(len(table)), cls] = score
    return Boxes(pixels, score, cls, prob, torch.arange(len(table)))


@pytest.fixture
def stubbed(params: Params, scenes: PackedDataset, monkeypatch: pytest.MonkeyPatch) -> Predicted:
    """The only face with a box far off; of two faces one found; of three none."""
    images = [
        found((0.9, 0.9, 0.1, 0.1, 2, 0.7), (0.25, 0.5, 0.3, 0.6, 0, 0.4)),
        found((0.75, 0.4, 0.2, 0.5, 1, 0.8)),
        found(),
    ]
    monkeypatch.setattr(predict, "kept_boxes", lambda decoded, classes, most: images)
    return predict_split(untrained(params, "yolov5s"), scenes, "val", "cpu")


def faces_of(table: pd.DataFrame) -> list[tuple[str, int]]:
    return list(table[FACE_KEY].itertuples(index=False, name=None))


def assert_storable(predicted: Predicted, folder: Path) -> None:
    write_predictions(folder / "predictions.parquet", predicted.predictions)
    write_boxes(folder / "boxes.parquet", predicted.boxes)
    assert len(read_predictions(folder / "predictions.parquet")) == len(predicted.predictions)
    assert len(read_boxes(folder / "boxes.parquet")) == len(predicted.boxes)


def test_classifier_has_a_prediction_for_every_face_and_no_boxes(
    params: Params, stored: PackedDataset, tmp_path: Path
) -> None:
    predicted = predict_split(untrained(params, "vgg_improved"), stored, "test", "cpu")
    faces = stored.faces("test").frame
    assert faces_of(predicted.predictions) == faces_of(faces)
    assert predicted.predictions["target"].tolist() == [CLASSES[c] for c in faces["cls"]]
    assert np.allclose(predicted.predictions[list(CLASSES)].sum(axis=1), 1.0, atol=1e-9)
    assert predicted.boxes.empty
    assert_storable(predicted, tmp_path)


def test_classifier_predicts_each_face_of_one_image(
    params: Params, scenes: PackedDataset, tmp_path: Path
) -> None:
    predicted = predict_split(untrained(params, "vgg_improved"), scenes, "test", "cpu")
    assert faces_of(predicted.predictions) == [
        *(("scene_6", 0), ("scene_7", 0), ("scene_7", 1)),
        *(("scene_8", 0), ("scene_8", 1), ("scene_8", 2)),
    ]
    assert not predicted.predictions[list(CLASSES)].duplicated().any()
    assert_storable(predicted, tmp_path)


def test_tables_of_an_untrained_detector_pass_all_checks(
    params: Params, scenes: PackedDataset, tmp_path: Path
) -> None:
    predicted = predict_split(untrained(params, "yolov5s_osam"), scenes, "test", "cpu")
    assert len(predicted.predictions) == len(scenes.faces("test").frame) == 6
    assert predicted.boxes["truth"].sum() == 6
    assert_storable(predicted, tmp_path)


@pytest.mark.parametrize("variant", ["ivsa", "yolov5s"])
def test_predictions_of_one_network_are_reproducible(
    params: Params, stored: PackedDataset, variant: str
) -> None:
    first = predict_split(untrained(params, variant), stored, "val", "cpu")
    again = predict_split(untrained(params, variant), stored, "val", "cpu")
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    pd.testing.assert_frame_equal(first.boxes, again.boxes)


def test_missed_face_is_a_row_of_zeros(stubbed: Predicted, tmp_path: Path) -> None:
    prob = stubbed.predictions.set_index(FACE_KEY)[list(CLASSES)]
    missed = [("scene_4", 0), ("scene_5", 0), ("scene_5", 1), ("scene_5", 2)]
    assert prob.index.tolist() == [("scene_3", 0), missed[0], ("scene_4", 1), *missed[1:]]
    assert (prob.loc[missed] == 0).all(axis=None)
    assert_storable(stubbed, tmp_path)


def test_probabilities_of_a_face_are_the_scores_of_its_box_as_shares(
    stubbed: Predicted,
) -> None:
    prob = stubbed.predictions.set_index(FACE_KEY)[list(CLASSES)]
    # An only face gets the box with the highest score though it is elsewhere.
    assert prob.loc["scene_3", 0].tolist() == pytest.approx([1 / 9, 1 / 9, 7 / 9], abs=1e-6)
    assert prob.loc["scene_4", 1].tolist() == pytest.approx([0.1, 0.8, 0.1], abs=1e-6)


def test_boxes_are_fractions_of_the_image_with_face_and_overlap(
    stubbed: Predicted,
) -> None:
    boxes = stubbed.boxes
    own = boxes[boxes["truth"]]
    assert own["face"].tolist() == [0, 0, 1, 0, 1, 2]
    assert own["emotion"].tolist() == [CLASSES[c] for c in (0, 1, 2, 2, 0, 1)]
    assert (own["score"] == 1).all()
    seen = boxes[~boxes["truth"]]
    assert seen["image_id"].tolist() == ["scene_3", "scene_3", "scene_4"]
    assert seen["face"].tolist() == [0, -1, 1]
    assert seen["iou"].tolist() == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)
    assert seen["emotion"].tolist() == [CLASSES[c] for c in (2, 0, 1)]
    corners = seen[["left", "top", "right", "bottom"]].to_numpy()[2]
    assert corners.tolist() == pytest.approx([0.65, 0.15, 0.85, 0.65], abs=1e-6)
