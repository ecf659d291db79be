"""The YOLO layout, read back by ultralytics itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from ferbench.artifacts.datasets import BOX, boxes_of
from ferbench.data.images import decode
from ferbench.data.yolo_labels import write_yolo
from ferbench.errors import InputError

CLASSES = ["neutral", "happiness", "anger"]
SPLITS = {"train": 4, "val": 2, "test": 3}
# (left, top, right, bottom, emotion) in pixels of a 40 x 20 image
SCENE = [(0.0, 0.0, 10.0, 20.0, "anger"), (20.0, 5.0, 40.0, 15.0, "happiness")]
CROP = [(0.0, 0.0, 40.0, 20.0, "neutral")]


def a_face(left: float, top: float, right: float, bottom: float, emotion: str) -> dict[str, Any]:
    return {"left": left, "top": top, "right": right, "bottom": bottom, "emotion": emotion}


def a_data_set(raw: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One scene with two faces per split, the rest crops; half PNG, half JPEG, in a sub-folder."""
    rng = np.random.default_rng(0)
    rows = []
    for name, count in SPLITS.items():
        for i in range(count):
            path = Path("deep", f"{name} {i}{'.png' if i % 2 else '.JPG'}")
            (raw / path).parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (20, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(raw / path)
            boxes = [a_face(*box) for box in (SCENE if i == 0 else CROP)]
            rows.append((f"{name}.{i}", path.as_posix(), 40, 20, boxes, name))
    columns = ["image_id", "path", "width", "height", "faces", "split"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.drop(columns="split"), frame[["image_id", "split"]]


def test_ultralytics_loads_every_image_and_box_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics.data import utils
    from ultralytics.data.dataset import YOLODataset

    # Its check of a data set fetches a font for its plots, whatever else is switched off.
    monkeypatch.setattr(utils, "check_font", lambda _: None)
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo" / "toy")
    (tmp_path / "elsewhere").mkdir()
    for folder, place in (("elsewhere", "../yolo/toy"), ("yolo", "toy"), ("yolo/toy", ".")):
        monkeypatch.chdir(tmp_path / folder)
        data = utils.check_det_dataset(f"{place}/dataset.yaml", autodownload=False)
        assert data["names"] == dict(enumerate(CLASSES))
        for name, count in SPLITS.items():
            assert Path(data[name]) == tmp_path / "yolo/toy/images" / name
            loaded = YOLODataset(img_path=data[name], data=data, task="detect", augment=False)
            assert len(loaded) == count
            assert sum(len(label["cls"]) for label in loaded.labels) == count + 1


def test_labels_are_the_boxes_as_fractions(tmp_path: Path) -> None:
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    labels = tmp_path / "yolo/labels"
    assert (labels / "val/val.1.txt").read_text() == (
        "0 0.50000000 0.50000000 1.00000000 1.00000000\n"
    )
    # by hand: 0..10 of 40, 0..20 of 20; 20..40 of 40, 5..15 of 20
    assert (labels / "train/train.0.txt").read_text() == (
        "2 0.12500000 0.50000000 0.25000000 1.00000000\n"
        "1 0.75000000 0.50000000 0.50000000 0.50000000\n"
    )
    boxes = pd.read_parquet(tmp_path / "yolo/boxes.parquet")
    assert len(boxes) == sum(SPLITS.values()) + len(SPLITS)
    second = boxes[(boxes["image_id"] == "train.0") & (boxes["face"] == 1)].iloc[0]
    assert second[["cls", "emotion", *BOX]].tolist() == [1, "happiness", 0.75, 0.5, 0.5, 0.5]


def test_images_are_links_to_the_raw_files(tmp_path: Path) -> None:
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    for image_id, path, name in zip(index["image_id"], index["path"], split["split"], strict=True):
        suffix = Path(path).suffix.lower()
        placed = tmp_path / "yolo/images" / name / f"{image_id}{suffix}"
        assert placed.samefile(tmp_path / "raw" / path)


def test_images_are_copied_where_links_are_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    placed, raw = tmp_path / "yolo/images/val/val.1.png", tmp_path / "raw/deep/val 1.png"
    assert placed.read_bytes() == raw.read_bytes()
    assert not placed.samefile(raw)


def odd_images(raw: Path) -> dict[str, Path]:
    """Files that OpenCV or ultralytics would refuse, repair or rotate."""
    raw.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees"
    image.save(raw / "turned.jpg", exif=exif)
    image.quantize(8).save(raw / "palette.gif")
    image.quantize(8).save(
        raw / "film.gif", save_all=True, append_images=[image.rotate(180).quantize(8)]
    )
    image.convert("CMYK").save(raw / "print.jpg")
    Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257).save(raw / "deep.png")
    glass = np.concatenate([pixels, pixels[:, :, :1]], axis=2)
    Image.fromarray(glass).save(raw / "glass.png")
    image.save(raw / "really_a_png.png")
    (raw / "really_a_png.png").rename(raw / "really_a_png.jpg")
    image.save(raw / "tail.jpg")
    with (raw / "tail.jpg").open("ab") as file:
        file.write(b"appended by some camera")
    return {path.stem: path for path in sorted(raw.iterdir())}


def test_images_that_trainers_read_differently_become_png_with_our_pixels(tmp_path: Path) -> None:
    files = odd_images(tmp_path / "raw")
    whole = [a_face(0, 0, 16, 12, "anger")]
    rows = [(name, path.name, 16, 12, whole) for name, path in files.items()]
    index = pd.DataFrame(rows, columns=["image_id", "path", "width", "height", "faces"])
    split = index[["image_id"]].assign(split="train")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    placed = {path.stem: path for path in (tmp_path / "yolo/images/train").iterdir()}
    assert set(placed) == set(files)
    for name, path in placed.items():
        assert path.suffix == ".png"
        seen = cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert (seen == decode(files[name])).all(), name


def test_images_outside_the_split_are_left_out(tmp_path: Path) -> None:
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(
        index, split[split["image_id"] != "val.0"], CLASSES, tmp_path / "raw", tmp_path / "y"
    )
    assert [path.name for path in (tmp_path / "y/labels/val").iterdir()] == ["val.1.txt"]
    assert "val.0" not in set(pd.read_parquet(tmp_path / "y/boxes.parquet")["image_id"])


def test_files_of_an_earlier_layout_are_deleted(tmp_path: Path) -> None:
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    stray = tmp_path / "yolo/images/train/stray.png"
    stray.write_bytes(b"")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    assert not stray.exists()


def test_yaml_names_every_class_by_its_number(tmp_path: Path) -> None:
    index, split = a_data_set(tmp_path / "raw")
    write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    tree = yaml.safe_load((tmp_path / "yolo/dataset.yaml").read_text())
    assert tree["names"] == dict(enumerate(CLASSES))
    assert tree["test"] == "images/test"
    assert "path" not in tree


def test_missing_or_broken_image_is_named(tmp_path: Path) -> None:
    index, split = a_data_set(tmp_path / "raw")
    (tmp_path / "raw/deep/val 1.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(InputError, match=r"val 1\.png"):
        write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    (tmp_path / "raw/deep/val 1.png").unlink()
    with pytest.raises(InputError, match=r"val 1\.png: missing") as error:
        write_yolo(index, split, CLASSES, tmp_path / "raw", tmp_path / "yolo")
    assert "fetch the data set again" in error.value.remedy
    assert not (tmp_path / "yolo").exists()


def test_boxes_keep_the_order_of_faces() -> None:
    index = pd.DataFrame(
        {
            "image_id": ["b", "a"],
            "width": [40, 40],
            "height": [20, 20],
            "faces": [[a_face(*box) for box in SCENE], [a_face(*box) for box in CROP]],
        }
    )
    boxes = boxes_of(index, CLASSES)
    assert boxes[["image_id", "face", "emotion"]].to_numpy().tolist() == [
        ["b", 0, "anger"],
        ["b", 1, "happiness"],
        ["a", 0, "neutral"],
    ]


def test_votes_follow_the_order_of_the_classes_and_stay_null_where_nobody_voted(
    tmp_path: Path,
) -> None:
    # BASIC: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt
    index = pd.DataFrame(
        {
            "image_id": ["b", "a"],
            "width": [40, 40],
            "height": [20, 20],
            "faces": [[a_face(*CROP[0])]] * 2,
            "votes": [[1, 5, 0, 0, 3, 0, 0, 1], None],
        }
    )
    boxes = boxes_of(index, ["anger", "happiness", "neutral"])
    assert boxes["votes"].tolist() == [[3, 5, 1], None]
    assert "votes" not in boxes_of(index.assign(votes=None), CLASSES)
    boxes.to_parquet(tmp_path / "boxes.parquet")
    stored = pd.read_parquet(tmp_path / "boxes.parquet")["votes"].tolist()
    assert stored[0].tolist() == [3, 5, 1]
    assert stored[1] is None
