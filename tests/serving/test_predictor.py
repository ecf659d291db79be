"""The predictor: any pictures in, faces out; which boxes are faces and what is cut out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferbench.errors import InputError
from ferbench.serving.face_detectors import FoundFaces
from ferbench.serving.predictor import Predictor, square_crops

RNG = np.random.default_rng(0)
PICTURES = [
    RNG.integers(0, 256, shape, dtype=np.uint8)
    for shape in ((40, 60, 3), (33, 21, 1), (48, 48), (8, 200, 3))
]


class Faces:
    """A face detector that finds as many faces as it is told, picture by picture."""

    name = "stub"

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)

    def __call__(self, image: Any) -> FoundFaces:
        count = self.counts.pop(0)
        left = np.linspace(0, 0.7, count)
        corners = np.stack([left, np.full(count, 0.2), left + 0.2, np.full(count, 0.6)], axis=1)
        return FoundFaces(corners.reshape(-1, 4), np.linspace(0.9, 0.5, count))


def test_classifier_predicts_every_face_that_its_detector_finds(classifier: Path) -> None:
    predictor = Predictor.load(classifier, detector=Faces(2, 0, 200, 1))
    found = predictor.predict(PICTURES)
    assert [len(faces) for faces in found] == [2, 0, 200, 1]
    assert [face.face_score for face in found[0]] == [0.9, 0.5]
    for face in found[2]:
        assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-9)
    (alone,) = Predictor.load(classifier, detector=Faces(2)).predict(PICTURES[:1])
    pairs = zip(alone, found[0], strict=True)
    assert all(a.probabilities == pytest.approx(b.probabilities, abs=1e-6) for a, b in pairs)


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_answers_do_not_depend_on_the_company(kind: str, request: pytest.FixtureRequest) -> None:
    predictor = Predictor.load(request.getfixturevalue(kind))
    together = predictor.predict_crops(PICTURES)
    for picture, faces in zip(PICTURES, together, strict=True):
        (alone,) = predictor.predict_crops([picture])
        assert len(alone) == len(faces)
        for a, b in zip(alone, faces, strict=True):
            assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_threads_share_a_predictor(kind: str, request: pytest.FixtureRequest) -> None:
    predictor = Predictor.load(request.getfixturevalue(kind))
    expected = [predictor.predict_crops([picture])[0] for picture in PICTURES]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(predictor.predict_crops, [picture]) for picture in PICTURES * 5]
    assert [job.result()[0] for job in jobs] == expected * 5


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_no_picture_gives_no_faces(kind: str, request: pytest.FixtureRequest) -> None:
    predictor = Predictor.load(request.getfixturevalue(kind), detector=Faces())
    assert predictor.predict([]) == predictor.predict_crops([]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        "photo.jpg",
        None,
    ],
)
def test_what_is_no_picture_is_refused(detector: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"picture 1: a picture is \(H, W\)"):
        Predictor.load(detector).predict([PICTURES[0], wrong])


def test_one_stage_detector_loads_no_face_detector(detector: Path) -> None:
    assert Predictor.load(detector).detector is None


def test_flip_gives_the_mean_over_a_face_and_its_mirror_image(classifier: Path) -> None:
    plain, flipped = (Predictor.load(classifier, flip=flip) for flip in (False, True))
    square = [np.ascontiguousarray(PICTURES[2])]
    mirrored = [np.ascontiguousarray(PICTURES[2][:, ::-1])]
    one, other, mean = (
        np.array(list(predictor.predict_crops(images)[0][0].probabilities.values()))
        for predictor, images in ((plain, square), (plain, mirrored), (flipped, square))
    )
    assert not np.allclose(one, other, atol=1e-4)
    np.testing.assert_allclose(mean, (one + other) / 2, atol=1e-5)


def test_flip_of_a_one_stage_detector_is_refused(detector: Path) -> None:
    with pytest.raises(InputError, match="does not average mirror images"):
        Predictor.load(detector, flip=True)


def test_engine_without_a_file_is_refused(classifier: Path) -> None:
    with pytest.raises(InputError, match="has no file for engine int8") as caught:
        Predictor.load(classifier, engine="int8")
    assert caught.value.remedy == "use torch"
    with pytest.raises(InputError, match="no device"):
        Predictor.load(classifier, "toaster")


def test_square_crop_is_centred_and_cut_at_the_border() -> None:
    """By hand: a box of 20 x 40 pixels at (40, 50) of 100 x 200 pixels, and one in a corner."""
    image = np.zeros((200, 100, 3), np.uint8)
    boxes = np.array([[0.3, 0.15, 0.5, 0.35], [0.0, 0.0, 0.1, 0.1]])
    whole, cut = square_crops(boxes, image) * [100, 200, 100, 200]
    half = 0.95 * 40 / 2
    assert np.allclose(whole, [40 - half, 50 - half, 40 + half, 50 + half])
    assert np.allclose(cut, [0, 0.5, 5 + 9.5, 10 + 9.5])
