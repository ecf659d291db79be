"""Face detectors: YuNet and MTCNN on drawn faces; the choice; YuNet's file."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from ferbench.artifacts.pack import Pixels
from ferbench.errors import InputError
from ferbench.serving import face_detectors
from ferbench.serving.face_detectors import (
    MTCNN,
    YUNET_VARIABLE,
    FaceDetector,
    PackagedYuNet,
    YuNet,
    face_detector,
)
from synthfaces.dataset import plan_images, render

OPTIONS = {"form": "crops", "persons": 6, "images_per_person": 1, "seed": 0}
LOOK = {"contempt": False, "min_intensity": 0.8, "variation": 1.0}


@pytest.fixture(scope="module", params=["mtcnn", "yunet"])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    if request.param == "yunet":
        pytest.importorskip("yuface", reason="has no package for this machine")
    return face_detector(request.param)


@pytest.fixture(scope="module")
def faces() -> list[Pixels]:
    """Drawn faces of 96 px."""
    found = []
    for plan in plan_images(OPTIONS | LOOK):
        content = np.frombuffer(render(plan, OPTIONS | LOOK).content, np.uint8)
        picture = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
        found.append(np.asarray(cv2.resize(picture, (96, 96), interpolation=cv2.INTER_CUBIC)))
    return found


def test_drawn_face_is_found_where_it_is(detector: FaceDetector, faces: list[Pixels]) -> None:
    hits = 0
    for face in faces:
        picture = np.full((240, 320, 1), 128, np.uint8)
        picture[100:196, 180:276, 0] = face
        found = detector(picture)
        assert found.xyxy.shape == (len(found.score), 4)
        assert ((found.xyxy >= 0) & (found.xyxy <= 1)).all()
        assert ((found.score > 0) & (found.score <= 1)).all()
        centre = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 * [320, 240]
        hits += bool((np.abs(centre - [228, 148]) < 24).all(axis=1).any())
    assert hits >= len(faces) / 2  # drawings are no photographs


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 1), (300, 9, 3), (64, 64, 3), (3000, 2, 1)])
def test_nothing_is_found_in_an_empty_picture(
    detector: FaceDetector, shape: tuple[int, ...]
) -> None:
    found = detector(np.full(shape, 90, np.uint8))
    assert (found.xyxy.shape, found.score.shape) == ((0, 4), (0,))


def test_faces_of_a_shrunk_picture_lie_where_those_of_the_picture_do(faces: list[Pixels]) -> None:
    """A picture of 1280 px is shown to YuNet at half its size; one of 320 px as it is."""
    pytest.importorskip("yuface", reason="has no package for this machine")
    picture = np.full((240, 320, 1), 128, np.uint8)
    picture[100:196, 180:276, 0] = faces[0]
    large = cv2.resize(picture, (1280, 960), interpolation=cv2.INTER_CUBIC)[:, :, None]
    yunet = PackagedYuNet()
    small, shrunk = yunet(picture), yunet(large)
    assert len(small.score) and len(shrunk.score)
    assert np.allclose(small.xyxy[0], shrunk.xyxy[0], atol=0.04)


@pytest.mark.parametrize(
    ("longest", "shown"), [(200, 200), (320, 320), (640, 320), (1000, 500), (4000, 640)]
)
def test_packaged_yunet_is_shown_half_the_picture(
    longest: int, shown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its rows: score in percent, x, y, w, h and ten landmarks; blue comes first."""
    package = pytest.importorskip("yuface.yuface", reason="has no package for this machine")
    seen: list[tuple[tuple[int, ...], list[int]]] = []

    def detect(picture: Pixels) -> np.ndarray:
        seen.append((picture.shape, picture[0, 0].tolist()))
        rows = np.zeros((3, 16), np.int16)
        width = picture.shape[1]
        rows[0, :5] = [70, width // 10, 0, width // 2, picture.shape[0] // 2]
        rows[1, :5] = [90, 0, 0, width // 2, picture.shape[0]]
        rows[2, :5] = [59, 0, 0, width, picture.shape[0]]  # too unsure
        return rows

    monkeypatch.setattr(package, "detect", detect)
    picture = np.zeros((longest // 2, longest, 3), np.uint8)
    picture[:] = (1, 2, 3)
    found = PackagedYuNet()(picture)
    assert seen == [((shown // 2, shown, 3), [3, 2, 1])]
    assert np.allclose(found.xyxy, [[0, 0, 0.5, 1], [0.1, 0, 0.6, 0.5]], atol=1 / 64)
    assert found.score == pytest.approx([0.9, 0.7])


def test_packaged_yunet_answers_threads_as_it_answers_alone(faces: list[Pixels]) -> None:
    pytest.importorskip("yuface", reason="has no package for this machine")
    yunet = PackagedYuNet()
    alone = [yunet(face[:, :, None]) for face in faces]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda face: yunet(face[:, :, None]), faces * 5))
    for number, found in enumerate(together):
        assert np.array_equal(found.xyxy, alone[number % len(faces)].xyxy)


def test_large_pictures_are_shrunk_before_the_search() -> None:
    bounded = face_detectors._bounded(np.zeros((400, 200, 1), np.uint8), 100)
    assert bounded.shape == (100, 50, 3)


def test_choice_is_the_option_then_the_environment_then_yunet_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(YUNET_VARIABLE, raising=False)
    monkeypatch.setattr(face_detectors, "find_spec", lambda name: None)
    assert face_detector().name == "mtcnn"
    monkeypatch.setattr(face_detectors, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "yuface", ModuleType("yuface"))
    module = ModuleType("yuface.yuface")
    module.detect = lambda picture: []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "yuface.yuface", module)
    assert isinstance(face_detector(), PackagedYuNet)
    assert isinstance(face_detector("yunet"), PackagedYuNet)
    monkeypatch.setenv(YUNET_VARIABLE, str(tmp_path / "absent.onnx"))
    assert isinstance(face_detector("mtcnn"), MTCNN)
    with pytest.raises(InputError, match="no such file of the face detector YuNet"):
        face_detector()


def test_yunet_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yuface", None)
    monkeypatch.setitem(sys.modules, "yuface.yuface", None)
    with pytest.raises(InputError, match="needs the package yuface") as caught:
        face_detector("yunet")
    assert "mtcnn" in caught.value.remedy


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
    yunet = face_detector(tmp_path / "yunet.onnx")
    assert isinstance(yunet, YuNet)
    found = yunet(picture)
    assert np.allclose(found.xyxy, [[0, 0, 0.2, 1], [0.1, 0.1, 0.3, 0.6]])
    assert found.score == pytest.approx([0.9, 0.8])
    assert seen == [[3, 2, 1]]
