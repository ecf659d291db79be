"""Paths of a command line: pictures, folders, patterns, videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ferbench.errors import InputError
from ferbench.serving.sources import Video, camera_number, find_sources, is_video


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/c.webp", "deep/film.mp4", "odd[1].jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures, five a second, each of one grey that rises by 20."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


@pytest.mark.usefixtures("folder")
def test_folders_and_patterns_give_their_pictures_and_videos_once_in_order() -> None:
    assert find_sources(["."]) == ["a.PNG", "b.jpg", "deep/c.webp", "deep/film.mp4", "odd[1].jpg"]
    assert find_sources(["*.jpg", "b.jpg"]) == ["b.jpg", "odd[1].jpg"]
    assert find_sources(["**/*.webp"]) == ["deep/c.webp"]
    assert find_sources(["odd[1].jpg"]) == ["odd[1].jpg"]  # a file, though it reads as a pattern
    assert find_sources(["notes.txt"]) == ["notes.txt"]  # named: its content decides


def test_absolute_pattern_is_followed(folder: Path) -> None:
    assert find_sources([f"{folder}/*.jpg"]) == [f"{folder}/b.jpg", f"{folder}/odd[1].jpg"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.jpg", "no such file or folder"),
        ("*.gif", "no such file or folder"),
        ("empty", "holds no picture and no video"),
    ],
)
def test_path_that_gives_nothing_is_refused(folder: Path, path: str, message: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_sources(["b.jpg", path])


def test_cameras_are_told_from_files(folder: Path) -> None:
    assert find_sources(["webcam:2"]) == ["webcam:2"]
    assert [camera_number(s) for s in ("webcam", "webcam:12", "webcam:a", "b.jpg")] == [
        *(0, 12),
        *(None, None),
    ]
    (folder / "webcam").touch()
    assert camera_number("webcam") is None
    assert [is_video(s) for s in ("webcam:1", "a.MP4", "a.jpg")] == [True, True, False]


def test_video_gives_its_pictures_with_their_times(film: Path) -> None:
    video = Video(str(film))
    frames = list(video)
    video.close()
    assert (video.rate, video.frames, video.live) == (5.0, 10, False)
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 5 for n in range(10)])
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 10
    assert [float(f.image.mean()) for f in frames] == pytest.approx(range(0, 200, 20), abs=3)


def test_video_can_be_thinned_and_cut(film: Path) -> None:
    video = Video(str(film), every=3, seconds=1.3)
    assert [frame.number for frame in video] == [0, 3, 6]
    video.close()
    assert Video(str(film), every=3).frames == 4


def test_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(InputError, match="no video that OpenCV can read"):
        Video(str(tmp_path / "film.mp4"))
