"""Annotated pictures and videos: drawn where the faces are, saved beside others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ferbench.serving.drawing import VideoFile, annotated, save_picture
from ferbench.serving.images import read_image
from ferbench.serving.predictor import Face
from ferbench.serving.sources import Video

FACE = Face((0.25, 0.5, 0.75, 0.9), "happiness", {"happiness": 0.9, "anger": 0.1}, 1.0)
EDGE = Face((0.0, 0.0, 1.0, 1.0), "anger", {"happiness": 0.1, "anger": 0.9}, 1.0)


@pytest.mark.parametrize("channels", [1, 3])
def test_box_is_drawn_where_the_face_is(channels: int) -> None:
    image = np.full((200, 300, channels), 90, np.uint8)
    before = image.copy()
    drawn = annotated(image, [FACE])
    assert np.array_equal(image, before)
    assert drawn.shape == (200, 300, 3)
    changed = (drawn != 90).any(axis=2)
    assert changed[100:181, 75].all()  # left side
    assert changed[180, 75:226].all()  # lower side
    assert not changed[110:170, 90:215].any()  # inside
    assert changed[70:98, 75:200].any()  # the text above
    assert not changed[185:].any()


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 400, 3), (1000, 20, 3)])
def test_face_at_the_border_of_any_picture_can_be_drawn(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    assert annotated(image, [EDGE, FACE], ["1", "2"]).shape == (*shape[:2], 3)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_text("mine")
    picture = np.full((10, 10, 3), 7, np.uint8)
    paths = [save_picture(picture, tmp_path, source) for source in ("a/face.png", "b/face.png")]
    assert [path.name for path in paths] == ["face_2.png", "face_3.png"]
    assert (tmp_path / "face.png").read_text() == "mine"
    assert np.array_equal(read_image(paths[0]), picture)


@pytest.mark.parametrize(
    ("source", "name"), [("x.JPG", "x.jpg"), ("x.webp", "x.webp"), ("x.tiff", "x.png")]
)
def test_picture_keeps_a_format_that_browsers_show(tmp_path: Path, source: str, name: str) -> None:
    path = save_picture(np.zeros((20, 20, 3), np.uint8), tmp_path / "new", source)
    assert path.name == name
    assert read_image(path).shape == (20, 20, 3)


def test_video_file_holds_what_was_added(tmp_path: Path) -> None:
    with VideoFile(tmp_path, "webcam:0", 5.0) as file:
        for number in range(5):
            file.add(np.full((48, 64, 3), 40 * number, np.uint8))
    assert file.path.name == "webcam_0.mp4"
    assert [p.name for p in tmp_path.iterdir()] == ["webcam_0.mp4"]
    video = Video(str(file.path))
    assert [float(f.image.mean()) for f in video] == pytest.approx(range(0, 200, 40), abs=6)
    video.close()


def test_video_without_a_picture_leaves_no_file(tmp_path: Path) -> None:
    with VideoFile(tmp_path, "film.mov", 5.0):
        pass
    assert list(tmp_path.iterdir()) == []
