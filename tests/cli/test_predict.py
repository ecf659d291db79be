"""`ferbench predict`: what is printed and saved, and which status says what."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.serving.models import model_folder

from ferbench.cli.main import main
from ferbench.config.params import Params
from ferbench.serving import box
from ferbench.serving.predictor import Predictor


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for variant in ("ivsa", "yolov5s"):
        model_folder(folder / variant, params, variant)
    return folder


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, a file that is none, and a video of six pictures."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    writer = cv2.VideoWriter(
        str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48)
    )
    still = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for _ in range(6):
        writer.write(still)
    writer.release()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_crops_give_a_line_of_json_each(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--crop", "--json", "--batch", "1"]
    assert main(["predict", "a.png", "b.jpg", "--model", str(models / "ivsa"), *options]) == 0
    first, second = lines(capsys)
    assert (first["path"], second["path"]) == ("a.png", "b.jpg")
    (face,) = first["faces"]
    assert face["box"] == [0, 0, 1, 1]
    assert face["emotion"] == max(face["probabilities"], key=face["probabilities"].get)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert sorted(path.name for path in pictures.iterdir()) == [
        *("a.png", "b.jpg", "bad.jpg", "film.avi")
    ]


def test_csv_has_a_row_per_picture_or_face(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "*.??g", "--model", str(models / "ivsa"), "--crop", "--csv"]) == 2
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(out.splitlines()))
    assert "error: bad.jpg" in err
    assert [row.pop("path") for row in rows] == ["a.png", "b.jpg"]
    for row in rows:
        assert sum(map(float, row.values())) == pytest.approx(1, abs=1e-5)
    model = ["--model", str(models / "yolov5s")]
    assert main(["predict", "a.png", *model, "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert main(["predict", "a.png", *model, "--json"]) == 0
    (plain,) = lines(capsys)
    for number, (row, face) in enumerate(zip(rows, plain["faces"], strict=True)):
        box = [float(row[side]) for side in ("left", "top", "right", "bottom")]
        assert (row["path"], int(row["face"]), box) == ("a.png", number, face["box"])
        assert {k: float(row[k]) for k in face["probabilities"]} == face["probabilities"]


def test_crop_in_which_a_detector_finds_nothing_is_a_row_of_zeros(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(Predictor, "predict_crops", lambda self, images: [[] for _ in images])
    model = ["--model", str(models / "yolov5s")]
    assert main(["predict", "a.png", *model, "--crop", "--csv"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert row.pop("path") == "a.png"
    assert set(row.values()) == {"0"}


def test_flip_is_passed_on_and_refused_for_a_one_stage_detector(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "a.png", "--crop", "--json", "--model"]
    assert main([*command, str(models / "ivsa")]) == 0
    assert main([*command, str(models / "ivsa"), "--flip"]) == 0
    plain, flipped = lines(capsys)
    assert plain["faces"][0]["probabilities"] != flipped["faces"][0]["probabilities"]
    assert main([*command, str(models / "yolov5s"), "--flip"]) == 2
    assert "leave out the option" in capsys.readouterr().err


def test_csv_of_a_video_is_refused(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "film.avi", "--model", str(models / "ivsa"), "--csv"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "not videos" in err


def test_bad_picture_does_not_end_the_others_and_is_the_status(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "*.??g", "--model", str(models / "ivsa"), "--crop", "--json"]) == 2
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["path"], len(row["faces"])) for row in rows] == [
        *(("a.png", 1), ("b.jpg", 1), ("bad.jpg", 0))
    ]
    assert "not an image of a known format" in rows[2]["error"]
    assert "error: bad.jpg: not an image of a known format" in err


def test_detector_predicts_scenes_and_saves_them_annotated(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", "a.png", "--model", str(models / "yolov5s"), "--save", "out"]
    for name in ("a.png", "a_2.png"):
        assert main(arguments) == 0
        assert f"saved out/{name}" in capsys.readouterr().out
    assert {p.name for p in (pictures / "out").iterdir()} == {"a.png", "a_2.png"}


def test_video_gives_persons_and_an_annotated_film(
    models: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(models / "ivsa"), "--crop"]
    assert main(["predict", "film.avi", *model, "--json", "--save", "out", "--every", "2"]) == 0
    rows = lines(capsys)
    assert [(row["frame"], row["time_s"]) for row in rows] == [(0, 0.0), (2, 0.4), (4, 0.8)]
    assert {face["person"] for row in rows for face in row["faces"]} == {0}
    assert [p.name for p in (pictures / "out").iterdir()] == ["film.mp4"]
    assert main(["predict", "film.avi", *model]) == 0
    assert "100 % of 6 pictures" in capsys.readouterr().out


def test_without_a_model_the_message_says_where_to_get_one(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(box, "files", lambda package: tmp_path / "none")
    assert main(["predict", "a.png"]) == 2
    err = capsys.readouterr().err
    assert "no model fer2013 is installed" in err
    assert "ferbench export" in err


@pytest.mark.parametrize("named", [[], ["--model", "fer2013_fast"]])
def test_installed_models_are_used_by_default_and_by_name(
    pictures: Path, named: list[str], capsys: Any
) -> None:
    """They are files of the package, and together no larger than 16 MB."""
    files = [path for folder in box.boxed_models().values() for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) < 16_000_000
    assert main(["predict", "a.png", "--crop", "--json", *named]) == 0
    (row,) = lines(capsys)
    (face,) = row["faces"]
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "arguments", [["absent.jpg"], ["a.png", "--face-detector", "absent.onnx"], ["webcam:77"]]
)
def test_bad_argument_is_status_2(
    models: Path, pictures: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *arguments, "--model", str(models / "ivsa"), "--crop"]) == 2
    assert "remedy:" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--batch", "0"], ["--every", "-1"], ["--smoothing", "-1"]])
def test_bad_number_is_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "a.png", *option])
    assert ended.value.code == 2
    assert "must" in capsys.readouterr().err
