"""Two data sets as one: which images go where, and whose names they have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferbench.data.dedup import deduplicate
from ferbench.data.ingest.fetch import fetch
from ferbench.data.ingest.source import Record
from ferbench.data.sources.cross import Cross
from ferbench.errors import InputError
from ferbench.files import read_json

Draw = Callable[..., Path]
FORM = {"persons": 4, "images_per_person": 8, "form": "crops"}


@pytest.fixture
def folders(tmp_path: Path, draw: Draw) -> dict[str, Any]:
    """Options of drawn faces as one data set and a folder with splits as the other."""
    pictures = tmp_path / "pictures"
    for seed, name in enumerate(("train/happy/a", "test/happy/b", "test/angry/c", "test/cat/d")):
        draw(pictures / f"{name}.png", seed)
    rename = {"cat": "contempt"}
    return {
        "train": "synthetic",
        "test": "folder",
        "train_options": FORM,
        "test_archive": str(pictures),
        "test_options": {"rename": rename},
    }


def read(options: dict[str, Any], root: Path) -> tuple[list[Record], dict[str, str]]:
    """Records and, by path, why an image was left out."""
    source = Cross(options)
    fetch(source, "cross", None, root)
    reading = source.read(root)
    assert set(reading.emotions) >= {record.emotion for record in reading.records}
    return reading.records, {fault.path: fault.reason for fault in reading.excluded}


def test_first_is_trained_on_and_official_test_of_second_is_tested(
    tmp_path: Path, folders: dict[str, Any]
) -> None:
    records, excluded = read(folders, tmp_path / "raw")
    tested = [r for r in records if r.source_split == "test"]
    assert [r.path for r in tested] == ["test/test/angry/c.png", "test/test/happy/b.png"]
    assert [r.image_id for r in tested] == ["folder.test_angry_c", "folder.test_happy_b"]
    assert excluded["test/train/happy/a.png"] == "not a test image of folder"
    assert excluded["test/test/cat/d.png"] == "contempt: not a class of both data sets"
    learnt = [r for r in records if r.source_split != "test"]
    assert learnt and {r.source_split for r in learnt} <= {"train", "val"}
    assert all(r.path.startswith("train/images/") for r in learnt)
    assert {r.emotion for r in learnt} == {"happiness", "anger"}
    assert all(str(r.person).startswith("synthetic.") for r in learnt)
    own = [reason for reason in excluded.values() if reason == "a test image of synthetic"]
    assert own, "what the first keeps for its own test is not learnt from"


def test_all_of_the_second_is_tested_on_request(tmp_path: Path, folders: dict[str, Any]) -> None:
    records, _ = read({**folders, "tested": "all"}, tmp_path / "raw")
    tested = {r.path for r in records if r.source_split == "test"}
    assert "test/train/happy/a.png" in tested


def test_copies_across_both_data_sets_are_found(tmp_path: Path, folders: dict[str, Any]) -> None:
    source = Cross(folders)
    fetch(source, "cross", None, tmp_path / "raw")
    learnt = next(r for r in source.read(tmp_path / "raw").records if r.emotion == "anger")
    copy = tmp_path / "pictures/test/angry/copy.png"
    copy.write_bytes((tmp_path / "raw" / learnt.path).read_bytes())
    fetch(source, "cross", None, tmp_path / "raw")
    cleaned = deduplicate(source.read(tmp_path / "raw"), tmp_path / "raw", "x", "drop_all", 1)
    kept = {row["image_id"] for row in cleaned.kept}
    assert len(kept & {learnt.image_id, "folder.test_angry_copy"}) == 1


def test_provenance_and_metadata_are_of_both(tmp_path: Path, folders: dict[str, Any]) -> None:
    source = Cross(folders)
    record = fetch(source, "cross", None, tmp_path / "raw")
    assert list(record["archives"]) == ["pictures"]
    assert read_json(tmp_path / "raw/train/.ferbench.json")["source"] == "synthetic"
    assert "CC0" in source.metadata.licence and "That of the data" in source.metadata.licence


def test_sources_without_two_common_classes_are_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "pictures/happy/a.png")
    options = {"train": "synthetic", "test": "folder", "train_options": FORM}
    source = Cross({**options, "test_archive": str(tmp_path / "pictures")})
    fetch(source, "cross", None, tmp_path / "raw")
    with pytest.raises(InputError, match="classes in common: happiness"):
        source.read(tmp_path / "raw")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train": "cohn", "test": "fer2013"}, "options: train: unknown source 'cohn'"),
        ({"train": "fer2013"}, "options: test: unknown source ''"),
        ({"train": "cross", "test": "fer2013"}, "unknown source 'cross'"),
        ({"train": "fer2013", "test": "fer2013"}, "fer2013 is used for both training and testing"),
        ({"train": "ckplus", "test": "fer2013", "tested": "some"}, "unknown choice 'some'"),
    ],
)
def test_options_without_a_valid_pair_are_refused(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Cross(options).make(tmp_path)
