"""What stage `evaluate` stores: one row for every labelled face, found or missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.tiny_study import CLASSES

from ferbench.artifacts.predictions import (
    read_boxes,
    read_predictions,
    write_boxes,
    write_predictions,
)
from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset
from ferbench.detection.boxes import Boxes
from ferbench.evaluation import predict
from ferbench.evaluation.predict import Predicted, predict_side
from ferbench.models.build import build_network
from ferbench.models.weights import Trained

# Where the images of side val of `scenes` (61 x 33 pixels) are in an input of 32 x 32.
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
    """One face answered from afar; of two faces one found; of three none."""
    images = [
        found((0.9, 0.9, 0.1, 0.1, 2, 0.7), (0.25, 0.5, 0.3, 0.6, 0, 0.4)),
        found((0.75, 0.4, 0.2, 0.5, 1, 0.8)),
        found(),
    ]
    monkeypatch.setattr(predict, "kept_boxes", lambda decoded, classes, most: images)
    return predict_side(untrained(params, "yolov5s"), scenes, "val", "cpu")


def assert_storable(said: Predicted, folder: Path) -> None:
    write_predictions(folder / "predictions.parquet", said.predictions)
    write_boxes(folder / "boxes.parquet", said.boxes)
    assert len(read_predictions(folder / "predictions.parquet")) == len(said.predictions)
    assert len(read_boxes(folder / "boxes.parquet")) == len(said.boxes)


def test_a_classifier_answers_for_every_face_and_has_no_boxes(
    params: Params, stored: PackedDataset, tmp_path: Path
) -> None:
    said = predict_side(untrained(params, "vgg_improved"), stored, "test", "cpu")
    faces = stored.faces("test").frame
    assert said.predictions["image_id"].tolist() == faces["unit_id"].tolist()
    assert said.predictions["target"].tolist() == [CLASSES[c] for c in faces["cls"]]
    assert np.allclose(said.predictions[list(CLASSES)].sum(axis=1), 1.0, atol=1e-9)
    assert said.boxes.empty
    assert_storable(said, tmp_path)


def test_a_classifier_tells_the_faces_of_one_image_apart(
    params: Params, scenes: PackedDataset, tmp_path: Path
) -> None:
    said = predict_side(untrained(params, "vgg_improved"), scenes, "test", "cpu")
    assert said.predictions["image_id"].tolist() == [
        *("scene_6", "scene_7#0", "scene_7#1"),
        *("scene_8#0", "scene_8#1", "scene_8#2"),
    ]
    assert not said.predictions[list(CLASSES)].duplicated().any()
    assert_storable(said, tmp_path)


def test_an_untrained_detector_leaves_tables_that_keep_every_promise(
    params: Params, scenes: PackedDataset, tmp_path: Path
) -> None:
    said = predict_side(untrained(params, "yolov5s_osam"), scenes, "test", "cpu")
    assert len(said.predictions) == len(scenes.faces("test").frame) == 6
    assert said.boxes["truth"].sum() == 6
    assert_storable(said, tmp_path)


@pytest.mark.parametrize("variant", ["ivsa", "yolov5s"])
def test_the_same_network_says_the_same_twice(
    params: Params, stored: PackedDataset, variant: str
) -> None:
    first = predict_side(untrained(params, variant), stored, "val", "cpu")
    again = predict_side(untrained(params, variant), stored, "val", "cpu")
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    pd.testing.assert_frame_equal(first.boxes, again.boxes)


def test_a_missed_face_is_a_row_of_zeros(stubbed: Predicted, tmp_path: Path) -> None:
    prob = stubbed.predictions.set_index("image_id")[list(CLASSES)]
    assert prob.index.tolist() == [
        *("scene_3", "scene_4#0", "scene_4#1", "scene_5#0", "scene_5#1", "scene_5#2")
    ]
    missed = ["scene_4#0", "scene_5#0", "scene_5#1", "scene_5#2"]
    assert (prob.loc[missed] == 0).all(axis=None)
    assert_storable(stubbed, tmp_path)


def test_probabilities_of_a_face_are_its_answering_boxs_scores_as_shares(
    stubbed: Predicted,
) -> None:
    prob = stubbed.predictions.set_index("image_id")[list(CLASSES)]
    # The surest box answers for an only face though it is elsewhere.
    assert prob.loc["scene_3"].tolist() == pytest.approx([1 / 9, 1 / 9, 7 / 9], abs=1e-6)
    assert prob.loc["scene_4#1"].tolist() == pytest.approx([0.1, 0.8, 0.1], abs=1e-6)


def test_boxes_come_back_in_fractions_of_the_image_with_face_and_overlap(
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
