"""Both subsets of RAF-DB, in the authors' layout and in that of re-uploads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.data.ingest.fetch import fetch
from ferbench.data.sources.rafdb_basic import RafDBBasic
from ferbench.data.sources.rafdb_compound import RafDBCompound
from ferbench.errors import InputError

Draw = Callable[..., Path]
Zipped = Callable[[Path, Path], Path]


def _official(root: Path, draw: Draw, rows: dict[str, int]) -> None:
    (root / "EmoLabel").mkdir(parents=True)
    lines = [f"{name}.jpg {label}" for name, label in rows.items()]
    (root / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")
    for seed, name in enumerate(rows):
        draw(root / f"Image/aligned/{name}_aligned.jpg", seed, (100, 100), "RGB")


BASIC = {f"train_{i:05d}": i for i in range(1, 8)} | {"test_0001": 4}


def test_labels_of_the_basic_subset(tmp_path: Path, draw: Draw) -> None:
    _official(tmp_path / "basic", draw, BASIC)
    records = RafDBBasic().read(tmp_path).records
    assert [(r.image_id, r.emotion, r.source_split) for r in records] == [
        ("train_00001", "surprise", "train"),
        ("train_00002", "fear", "train"),
        ("train_00003", "disgust", "train"),
        ("train_00004", "happiness", "train"),
        ("train_00005", "sadness", "train"),
        ("train_00006", "anger", "train"),
        ("train_00007", "neutral", "train"),
        ("test_0001", "happiness", "test"),
    ]
    assert records[0].path == "basic/Image/aligned/train_00001_aligned.jpg"


def test_both_subsets_may_lie_in_one_folder(tmp_path: Path, draw: Draw) -> None:
    _official(tmp_path / "basic", draw, {"train_00001": 7})
    _official(tmp_path / "compound", draw, {"train_0001": 1, "train_0002": 11})
    assert [r.emotion for r in RafDBBasic().read(tmp_path).records] == ["neutral"]
    assert [r.emotion for r in RafDBCompound().read(tmp_path).records] == [
        "happily_surprised",
        "disgustedly_surprised",
    ]


def test_absent_image_is_a_fault_with_file_and_row(tmp_path: Path, draw: Draw) -> None:
    _official(tmp_path, draw, BASIC)
    (tmp_path / "Image/aligned/train_00003_aligned.jpg").unlink()
    reading = RafDBBasic().read(tmp_path)
    assert len(reading.records) == 7
    assert [(f.path, f.reason) for f in reading.faults] == [
        ("Image/aligned/train_00003_aligned.jpg", "list_patition_label.txt, row 3: absent")
    ]


def test_bad_and_repeated_rows_are_faults(tmp_path: Path, draw: Draw) -> None:
    _official(tmp_path, draw, {"train_00001": 1})
    labels = tmp_path / "EmoLabel/list_patition_label.txt"
    labels.write_text("train_00001.jpg 1\ntrain_00002.jpg\ntrain_00003.jpg x\ntrain_00001.jpg 2\n")
    reading = RafDBBasic().read(tmp_path)
    assert len(reading.records) == 1
    assert [fault.path for fault in reading.faults] == [
        "list_patition_label.txt, row 2",
        "list_patition_label.txt, row 3",
        "Image/aligned/train_00001_aligned.jpg",
    ]
    assert reading.faults[2].reason == "list_patition_label.txt, row 4: listed twice"


@pytest.mark.parametrize("label", [0, 8])
def test_label_of_the_other_subset_is_refused(tmp_path: Path, draw: Draw, label: int) -> None:
    _official(tmp_path, draw, {"train_00001": 1, "train_00002": label})
    with pytest.raises(InputError, match=f"row 2: label {label} is none of 1 to 7") as caught:
        RafDBBasic().read(tmp_path)
    assert "4 happiness" in caught.value.remedy


def test_archive_inside_the_archive_is_unpacked(tmp_path: Path, draw: Draw, zipped: Zipped) -> None:
    inside = tmp_path / "in"
    _official(inside / "basic", draw, BASIC)
    for wrapped in (False, True):
        folder = inside / "basic/Image/aligned"
        parent = folder.parent if wrapped else folder
        packed = zipped(parent, tmp_path / "aligned.zip")
        copy = shutil.copytree(inside, tmp_path / f"copy{wrapped}")
        shutil.rmtree(copy / "basic/Image/aligned")
        packed.rename(copy / "basic/Image/aligned.zip")
        fetch(RafDBBasic(), "rafdb_basic", str(copy), tmp_path / "raw")
        assert len(RafDBBasic().read(tmp_path / "raw").records) == len(BASIC)


def test_re_uploads_have_a_folder_per_label(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "DATASET/train/1/train_00001_aligned.jpg")
    draw(tmp_path / "DATASET/train/7/train_00002_aligned.jpg")
    draw(tmp_path / "DATASET/test/4/test_0001_aligned.jpg")
    records = RafDBBasic().read(tmp_path).records
    assert [(r.image_id, r.emotion, r.source_split) for r in records] == [
        ("train_00001", "surprise", "train"),
        ("train_00002", "neutral", "train"),
        ("test_0001", "happiness", "test"),
    ]
    draw(tmp_path / "DATASET/train/happy/train_00003_aligned.jpg")
    with pytest.raises(InputError, match="label happy is none of 1 to 7"):
        RafDBBasic().read(tmp_path)


def test_rows_with_odd_names_and_labels_are_reported(tmp_path: Path, draw: Draw) -> None:
    _official(tmp_path, draw, {"train_00001": 7, "test-a": 1, "test_a": 2})
    table = tmp_path / "EmoLabel/list_patition_label.txt"
    table.write_text(table.read_text() + f"{'n' * 300}.jpg 1\n")
    reading = RafDBBasic().read(tmp_path)
    ids = [record.image_id for record in reading.records]
    assert ids[0] == "train_00001"
    assert len(set(ids)) == 3
    assert all("-" not in image_id for image_id in ids)
    assert [fault.reason for fault in reading.faults] == [f"{table.name}, row 4: absent"]
    table.write_text(f"train_00001.jpg {'9' * 5000}\n")
    with pytest.raises(InputError, match="none of 1 to 7"):
        RafDBBasic().read(tmp_path)
