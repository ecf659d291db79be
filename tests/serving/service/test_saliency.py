"""Saliency of faces in any picture, against the library called directly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from ferbench.models.build import as_fractions, cam_layers
from ferbench.serving.model_folder import open_folder, read_network
from ferbench.serving.predictor import Face, Predictor, square_crops
from ferbench.serving.preprocessing import FaceInputs
from ferbench.serving.service.saliency import Saliency

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def face(box: tuple[float, float, float, float], emotion: str) -> Face:
    return Face(box, emotion, {emotion: 1.0}, 1.0)


def test_map_of_a_classifier_is_that_of_the_library(classifier: Path) -> None:
    trained = read_network(*open_folder(classifier))
    faces = [face((0.1, 0.1, 0.6, 0.7), emotion) for emotion in trained.classes]
    maps = Saliency(trained)(PICTURE, faces, crop=False)
    square = square_crops(np.array([faces[0].box]), PICTURE)
    inputs = FaceInputs(trained.recipe)([PICTURE], [square])
    inputs = as_fractions(inputs[:, 4] if inputs.ndim == 5 else inputs, torch.device("cpu"))
    layers = list(cam_layers(trained.network, inputs))
    for number, found in enumerate(maps):
        assert found is not None
        with GradCAM(trained.network, layers) as cam:
            expected = cam(inputs, [ClassifierOutputTarget(number)])[0]
        span = np.ptp(expected)
        expected = (expected - expected.min()) / span if span else np.zeros_like(expected)
        assert np.abs(found.values / 255 - expected).max() <= 0.51 / 255
    assert any(found is not None and found.values.max() == 255 for found in maps)


def test_map_covers_the_part_of_a_face_that_a_classifier_is_shown(classifier: Path) -> None:
    trained = read_network(*open_folder(classifier))
    px, whole = trained.recipe.input_px, face((0, 0, 1, 1), trained.classes[0])
    for resize_px, box in ((px, (0, 0, 1, 1)), (2 * px, (0.25, 0.25, 0.75, 0.75))):
        shown = replace(trained, recipe=replace(trained.recipe, resize_px=resize_px))
        (found,) = Saliency(shown)(PICTURE, [whole], crop=True)
        assert found is not None
        assert found.box == box
        assert found.values.shape == (px, px)


def test_map_of_a_detector_covers_the_picture_without_the_padding(detector: Path) -> None:
    faces = Predictor.load(detector).predict([PICTURE])[0]
    maps = Saliency.load(detector)(PICTURE, faces, crop=False)
    assert len(maps) == len(faces) > 0
    for found in maps:
        assert found is not None
        assert found.box == (0, 0, 1, 1)
        height, width = found.values.shape
        assert height / width == 60 / 80


def test_no_face_has_no_map(classifier: Path) -> None:
    assert Saliency.load(classifier)(PICTURE, [], crop=False) == []
