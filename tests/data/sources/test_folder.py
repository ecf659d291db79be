"""Your own folder per class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.data.sources.folder import Folder
from ferbench.errors import InputError

Draw = Callable[..., Path]


def test_class_folders_are_found_below_wrapping_folders(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "x/y/Happy/a.png")
    draw(tmp_path / "x/y/sad/deep/b c.png")
    reading = Folder().read(tmp_path)
    assert [(r.image_id, r.path, r.emotion, r.source_split) for r in reading.records] == [
        ("x_y_Happy_a", "x/y/Happy/a.png", "happiness", None),
        ("x_y_sad_deep_b_c", "x/y/sad/deep/b c.png", "sadness", None),
    ]
    assert reading.emotions == ("happiness", "sadness")


@pytest.mark.parametrize(
    ("word", "split"),
    [("train", "train"), ("Training", "train"), ("valid", "val"), ("val", "val"), ("test", "test")],
)
def test_split_folders_are_recognised(tmp_path: Path, draw: Draw, word: str, split: str) -> None:
    draw(tmp_path / word / "fear/a.png")
    (record,) = Folder().read(tmp_path).records
    assert (record.emotion, record.source_split) == ("fear", split)


def test_names_that_would_be_one_id_get_distinct_ids(tmp_path: Path, draw: Draw) -> None:
    for seed, name in enumerate(("a b", "a_b", "a-b")):
        draw(tmp_path / f"fear/{name}.png", seed)
    draw(tmp_path / "fear/a_b.jpg", 9)
    ids = [record.image_id for record in Folder().read(tmp_path).records]
    assert len(set(ids)) == 4
    (tmp_path / "fear/a b.png").unlink()
    assert {r.image_id for r in Folder().read(tmp_path).records} < set(ids)


def test_unknown_class_folder_is_refused_with_the_known_words(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "fear/a.png")
    draw(tmp_path / "sadnes/a.png")
    with pytest.raises(InputError, match=r"sadnes: unknown class 'sadnes'\n.*mean 'sadness'"):
        Folder().read(tmp_path)
    renamed = Folder({"rename": {"sadnes": "sad"}}).read(tmp_path)
    assert [record.emotion for record in renamed.records] == ["fear", "sadness"]


def test_single_folder_of_unknown_class_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "pictures/a.png")
    with pytest.raises(InputError, match="no class folders"):
        Folder().read(tmp_path)


def test_folder_beside_the_splits_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/fear/a.png")
    draw(tmp_path / "extra/fear/a.png")
    with pytest.raises(InputError, match="extra: not a split"):
        Folder().read(tmp_path)


def test_image_in_no_class_folder_is_a_fault(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/fear/a.png")
    draw(tmp_path / "train/b.png")
    assert [fault.path for fault in Folder().read(tmp_path).faults] == ["train/b.png"]


def test_person_is_found_in_the_file_name(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "fear/s01_1.png")
    draw(tmp_path / "fear/other.png")
    reading = Folder({"person_pattern": "^(s[0-9]+)_"}).read(tmp_path)
    assert [record.person for record in reading.records] == [None, "s01"]


@pytest.mark.parametrize("pattern", ["(", "s[0-9]+", "(s)([0-9]+)", 3])
def test_bad_pattern_is_refused(tmp_path: Path, draw: Draw, pattern: str) -> None:
    draw(tmp_path / "fear/s01_1.png")
    with pytest.raises(InputError, match="person_pattern"):
        Folder({"person_pattern": pattern}).read(tmp_path)


def test_litter_is_not_read_as_images(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "fear/a.png")
    (tmp_path / "fear/._a.png").write_text("x")
    (tmp_path / "fear/notes.txt").write_text("x")
    assert len(Folder().read(tmp_path).records) == 1


def test_list_of_images_decides_alone(tmp_path: Path, draw: Draw) -> None:
    for name in ("s1/a.png", "s1/b.png", "s2/a.png", "happy/c.png"):
        draw(tmp_path / "faces" / name)
    rows = ["path,label,person,split", "s1/a.png,sad,s1,train", "s1/b.png,grin,s1,train"]
    rows += ["s2/a.png,fear,s2,test", "s9/x.png,fear,s9,test"]
    (tmp_path / "faces" / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    reading = Folder({"rename": {"grin": "happiness"}}).read(tmp_path)
    assert [(r.path, r.emotion, r.person, r.source_split) for r in reading.records] == [
        ("faces/s1/a.png", "sadness", "s1", "train"),
        ("faces/s1/b.png", "happiness", "s1", "train"),
        ("faces/s2/a.png", "fear", "s2", "test"),
    ]
    assert [(fault.path, fault.reason) for fault in reading.faults] == [
        ("faces/s9/x.png", "in labels.csv, but not there"),
        ("faces/happy/c.png", "not in labels.csv"),
    ]
    assert reading.emotions == ("happiness", "sadness", "fear")


def test_list_with_a_label_of_ones_own_names_row_and_option(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("path,label\na.png,grin\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"labels\.csv: row 2: unknown class 'grin'(.|\n)*rename:"):
        Folder().read(tmp_path)


def test_list_without_paths_is_refused_and_not_ignored(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "fear/a.png")
    (tmp_path / "labels.csv").write_text("id,age\n1,30\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"labels\.csv: columns are id, age\n.*`path` and `label`"):
        Folder().read(tmp_path)
