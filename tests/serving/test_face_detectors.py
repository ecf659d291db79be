"""Face detectors: MTCNN on a drawn face; the choice; YuNet's file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ferbench.artifacts.pack import Pixels
from ferbench.errors import InputError
from ferbench.serving import face_detectors
from ferbench.serving.face_detectors import MTCNN, YUNET_VARIABLE, face_detector
from synthfaces.dataset import plan_images, render

OPTIONS = {"form": "crops", "persons": 6, "images_per_person": 1, "seed": 0}
LOOK = {"contempt": False, "min_intensity": 0.8, "variation": 1.0}


@pytest.fixture(scope="module")
def mtcnn() -> MTCNN:
    return MTCNN()


@pytest.fixture(scope="module")
def faces() -> list[Pixels]:
    """Drawn faces of 96 px."""
    found = []
    for plan in plan_images(OPTIONS | LOOK):
        content = np.frombuffer(render(plan, OPTIONS | LOOK).content, np.uint8)
        picture = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
        found.append(np.asarray(cv2.resize(picture, (96, 96), interpolation=cv2.INTER_CUBIC)))
    return found


def test_mtcnn_finds_a_drawn_face_where_it_is(mtcnn: MTCNN, faces: list[Pixels]) -> None:
    hits = 0
    for face in faces:
        picture = np.full((240, 320, 1), 128, np.uint8)
        picture[100:196, 180:276, 0] = face
        found = mtcnn(picture)
        assert found.xyxy.shape == (len(found.score), 4)
        assert ((found.xyxy >= 0) & (found.xyxy <= 1)).all()
        centre = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 * [320, 240]
        hits += bool((np.abs(centre - [228, 148]) < 24).all(axis=1).any())
    assert hits >= len(faces) / 2  # drawings are no photographs


@pytest.mark.parametrize("shape", [(8, 8, 1), (300, 9, 3), (64, 64, 3)])
def test_mtcnn_finds_nothing_in_an_empty_picture(mtcnn: MTCNN, shape: tuple[int, ...]) -> None:
    found = mtcnn(np.full(shape, 90, np.uint8))
    assert (found.xyxy.shape, found.score.shape) == ((0, 4), (0,))


def test_large_pictures_are_shrunk_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_detectors, "_LONGEST_PX", 100)
    bounded = face_detectors._bounded(np.zeros((400, 200, 1), np.uint8))
    assert bounded.shape == (100, 50, 3)


def test_choice_is_the_option_then_the_environment_then_mtcnn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(YUNET_VARIABLE, raising=False)
    assert face_detector().name == "mtcnn"
    monkeypatch.setenv(YUNET_VARIABLE, str(tmp_path / "absent.onnx"))
    assert face_detector("mtcnn").name == "mtcnn"
    with pytest.raises(InputError, match="no such file of the face detector YuNet"):
        face_detector()


def test_file_that_is_no_yunet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match="is no file of the face detector YuNet"):
        face_detector(tmp_path / "other.onnx")


def test_yunets_rows_become_fractions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its rows (x, y, w, h, ten landmarks, score) in pixels; blue comes first."""
    seen = []

    class Network:
        def setInputSize(self, size: tuple[int, int]) -> None:
            assert size == (200, 100)

        def detect(self, picture: Pixels) -> tuple[int, np.ndarray]:
            seen.append(picture[0, 0].tolist())
            row = np.zeros((2, 15), np.float32)
            row[0, [0, 1, 2, 3, 14]] = [20, 10, 40, 50, 0.8]
            row[1, [0, 1, 2, 3, 14]] = [-20, 0, 60, 200, 0.9]
            return 1, row

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *args: Network())
    (tmp_path / "yunet.onnx").touch()
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[0, 0] = (1, 2, 3)
    found = face_detector(tmp_path / "yunet.onnx")(picture)
    assert np.allclose(found.xyxy, [[0, 0, 0.2, 1], [0.1, 0.1, 0.3, 0.6]])
    assert found.score == pytest.approx([0.9, 0.8])
    assert seen == [[3, 2, 1]]
