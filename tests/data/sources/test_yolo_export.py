"""YOLO exports: boxes, polygons, and everything that can be wrong with a label file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferbench.data.dedup import deduplicate
from ferbench.data.ingest.source import Reading
from ferbench.data.sources.lld import LLD
from ferbench.data.sources.yolo_export import YoloExport
from ferbench.errors import InputError

Draw = Callable[..., Path]
NAMES = "names: ['angry', 'happy', 'neutral', 'sad']\n"


@pytest.fixture
def export(tmp_path: Path, draw: Draw) -> Callable[..., Path]:
    """Make a Roboflow export of label texts by `split/name`; None makes no label file."""

    def _export(labels: dict[str, str | None], names: str = NAMES) -> Path:
        root = tmp_path / "export"
        root.mkdir(exist_ok=True)
        (root / "data.yaml").write_text("train: ../train/images\n" + names)
        for seed, (key, text) in enumerate(labels.items()):
            split, name = key.split("/")
            draw(root / split / "images" / f"{name}.jpg", seed, (200, 100), "RGB")
            (root / split / "labels").mkdir(exist_ok=True)
            if text is not None:
                (root / split / "labels" / f"{name}.txt").write_text(text)
        return root

    return _export


def _read(root: Path, **options: Any) -> Reading:
    return YoloExport(options).read(root)


def test_rows_become_boxes_and_splits_get_canonical_names(export: Callable[..., Path]) -> None:
    root = export(
        {
            "train/a": "0 0.5 0.5 0.5 0.2\n\n3 0.25 0.25 0.5 0.5\n",
            "valid/a": "1 0.5 0.5 1 1",
            "test/b-1_jpg.rf.0f": "2 0.5 0.5 1 1",
        }
    )
    reading = _read(root)
    assert [(r.image_id, r.emotion, r.source_split) for r in reading.records] == [
        ("train_a", "anger", "train"),
        ("val_a", "happiness", "val"),
        ("test_b_1_jpg.rf.0f", "neutral", "test"),
    ]
    first = reading.records[0].faces
    assert [(f.left, f.top, f.right, f.bottom, f.emotion) for f in first] == [
        (0.25, 0.4, 0.75, 0.6, "anger"),
        (0, 0, 0.5, 0.5, "sadness"),
    ]
    assert reading.emotions == ("neutral", "happiness", "sadness", "anger")
    assert not reading.faults


def test_polygon_becomes_its_bounding_box_and_is_counted(export: Callable[..., Path]) -> None:
    root = export(
        {
            "train/a": "0 0.1 0.2 0.5 0.1 0.3 0.9\n0 0.1 0.2 0.5 0.1 0.31 0.9",
            "train/b": "1 0.5 0.5 1 1",
        }
    )
    cleaned = deduplicate(_read(root), root, "toy", "drop_all", 16)
    faces = cleaned.kept[0]["faces"]
    assert len(faces) == 2, "nearly equal outlines are both kept"
    assert [faces[0][side] for side in ("left", "top", "right", "bottom")] == pytest.approx(
        [20, 10, 100, 90]
    )
    counts = cleaned.counts
    assert (counts["polygons"], counts["polygon_images"], counts["clipped_boxes"]) == (2, 1, 0)
    assert (counts["images"], counts["faces"]) == (2, 3)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0 0.5 0.5 0.5", "4 columns"),
        ("0 0.5 0.5 0.5 0.2 0.9", "6 columns"),
        ("0 0.1 0.2 0.5 0.1 0.3 0.9 0.4", "8 columns"),
        ("0 0.5 nan 0.5 0.2", "not finite"),
        ("0 0.5 inf 0.5 0.2", "not finite"),
        ("0 0.5 x 0.5 0.2", "not a number"),
        ("happy 0.5 0.5 0.5 0.2", "not a number"),
        ("4 0.5 0.5 0.5 0.2", "class 4 is none of 0 to 3"),
        ("-1 0.5 0.5 0.5 0.2", "class -1 is none of 0 to 3"),
    ],
)
def test_bad_row_removes_its_image(export: Callable[..., Path], row: str, reason: str) -> None:
    reading = _read(export({"train/a": f"0 0.5 0.5 1 1\n{row}\n", "train/b": "1 0.5 0.5 1 1"}))
    assert [record.image_id for record in reading.records] == ["train_b"]
    assert [fault.path for fault in reading.faults] == ["train/images/a.jpg"]
    assert "train/labels/a.txt, row 2: " in reading.faults[0].reason
    assert reason in reading.faults[0].reason


def test_image_and_label_file_need_each_other(export: Callable[..., Path]) -> None:
    root = export({"train/a": "0 0.5 0.5 1 1", "train/b": None})
    (root / "train/labels/c.txt").write_text("0 0.5 0.5 1 1")
    reading = _read(root)
    assert [(f.path, f.reason) for f in reading.faults] == [
        ("train/images/b.jpg", "no label file"),
        ("train/labels/c.txt", "label file without an image"),
    ]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_image_without_faces_is_excluded(export: Callable[..., Path], text: str) -> None:
    reading = _read(export({"train/a": "0 0.5 0.5 1 1", "train/b": text}))
    assert [(f.path, f.reason) for f in reading.excluded] == [
        ("train/images/b.jpg", "no face is annotated")
    ]


def test_unknown_class_word_is_refused_and_can_be_renamed(export: Callable[..., Path]) -> None:
    root = export({"train/a": "0 0.5 0.5 1 1"}, "names: [grumpy, happy]\n")
    with pytest.raises(InputError) as caught:
        _read(root)
    for word in ("data.yaml", "grumpy", "sadness"):
        assert word in str(caught.value)
    reading = _read(root, rename={"grumpy": "anger"})
    assert reading.records[0].emotion == "anger"
    with pytest.raises(InputError, match="angr"):
        _read(root, rename={"grumpy": "angr"})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("nc: 3\n", "not a list of class words"),
        ("names: 3\n", "not a list of class words"),
        ("names: []\n", "not a list of class words"),
        ("names: {0: happy, 2: sad}\n", "not a list of class words"),
        ("names: [happy\n", "not valid YAML"),
        ("names: {0: happy, x: sad}\n", "not a list of class words"),
        ("names: {0: happy, 0: sad}\n", "'0' is given twice"),
        ("names: [happy]\nnames: [sad]\n", "'names' is given twice"),
        ("a: &a [happy, sad]\nnames: *a\n", "an alias"),
        ("names: " + "[" * 5000 + "]" * 5000, "too deep"),
        ("names:\n" + "\n".join(" " * i + "- a:" for i in range(500)), "not valid YAML"),
        ("names: 2024-13-45\n", "not valid YAML"),
        ("names: " + "9" * 5000, "not valid YAML"),
        ("names: [happy]\n#" + "x" * 300_000, "has more than 262144 bytes"),
    ],
)
def test_description_without_names_is_refused(
    export: Callable[..., Path], names: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _read(export({"train/a": "0 0.5 0.5 1 1"}, names))


def test_numbered_names_and_ultralytics_folders_are_read(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "dataset.yaml").write_text("names: {1: sad, 0: happy}\n")
    draw(tmp_path / "images/val/a.png")
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/a.txt").write_text("1 0.5 0.5 1 1")
    (record,) = _read(tmp_path).records
    assert (record.emotion, record.source_split) == ("sadness", "val")


def test_export_without_images_is_refused(export: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"no .train,valid,test./images"):
        _read(export({}))


def test_lld_is_read_in_the_same_form(export: Callable[..., Path]) -> None:
    root = export({"train/a": "0 0.5 0.5 1 1"})
    assert LLD().read(root).records == _read(root).records
    assert "fear" not in LLD.METADATA.emotions


def test_yaml_alias_bomb_is_refused_before_it_is_expanded(export: Callable[..., Path]) -> None:
    lines = ["a0: &a0 [happy, happy]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(InputError, match="an alias") as caught:
        _read(export({"train/a": "0 0.5 0.5 1 1"}, "\n".join([*lines, "names: *a11\n"])))
    assert caught.value.remedy


def test_label_file_that_is_not_text_removes_its_image(export: Callable[..., Path]) -> None:
    root = export({"train/a": "0 0.5 0.5 1 1", "train/b": "0 0.5 0.5 1 1"})
    (root / "train/labels/a.txt").write_bytes(b"\xff\xfe0")
    reading = _read(root)
    assert [record.image_id for record in reading.records] == ["train_b"]
    assert [(f.path, f.reason) for f in reading.faults] == [
        ("train/images/a.jpg", "train/labels/a.txt: not UTF-8 text")
    ]
