"""From a reading to index, lists and counts."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.artifacts.index import read_index
from ferbench.data.dedup import deduplicate, list_images, write_cleaned
from ferbench.data.source import Box, Fault, Reading, Record
from ferbench.data.sources.folder import Folder
from ferbench.errors import InputError
from ferbench.files import md5_file

Draw = Callable[..., Path]


@pytest.fixture
def raw(tmp_path: Path, draw: Draw) -> Path:
    """Five pictures, a copy of one, one of them with another label too, and three bad files."""
    root = tmp_path / "raw"
    for number, name in enumerate(("train/fear/0", "train/fear/1", "train/anger/2", "val/anger/3")):
        draw(root / f"{name}.png", number)
    draw(root / "test/fear/4.png", 4)
    shutil.copy(root / "test/fear/4.png", root / "train/fear/copy of 4.png")
    shutil.copy(root / "val/anger/3.png", root / "train/fear/3.png")
    (root / "train/fear/empty.png").write_bytes(b"")
    (root / "train/fear/text.png").write_text("text")
    draw(root / "train/fear/small.png", 9, size=(8, 48))
    return root


def _records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_index_and_lists_tell_the_fate_of_every_image(tmp_path: Path, raw: Path) -> None:
    cleaned = deduplicate(list_images(Folder(), raw), raw, "toy", "drop_all", 16)
    write_cleaned(tmp_path / "interim", cleaned)
    index = read_index(tmp_path / "interim/index.parquet")
    assert list(index["path"]) == [
        "test/fear/4.png",
        "train/anger/2.png",
        "train/fear/0.png",
        "train/fear/1.png",
    ]
    assert list(index["md5"]) == [md5_file(raw / path) for path in index["path"]]
    assert set(index["dataset"]) == {"toy"}
    assert index["faces"][0] == [
        {"left": 0.0, "top": 0.0, "right": 48.0, "bottom": 48.0, "emotion": "fear"}
    ]
    dropped = {
        row["path"]: (row["reason"], row["kept"])
        for row in _records(tmp_path / "interim/dropped.csv")
    }
    assert dropped == {
        "train/fear/copy of 4.png": ("copy", "test_fear_4"),
        "train/fear/3.png": ("label conflict (anger | fear), policy drop_all", ""),
        "val/anger/3.png": ("label conflict (anger | fear), policy drop_all", ""),
    }
    quarantine = {
        row["path"]: row["reason"] for row in _records(tmp_path / "interim/quarantine.csv")
    }
    assert quarantine == {
        "train/fear/empty.png": "empty file",
        "train/fear/text.png": "no image of a known format",
        "train/fear/small.png": "8x48 px, a side is below 16 px",
    }
    counts = json.loads((tmp_path / "interim/dedup.json").read_text())
    assert counts == {
        "images": 7,
        "unique": 4,
        "duplicate_groups": 2,
        "redundant_copies": 2,
        "conflict_groups": 1,
        "conflict_images": 2,
        "quarantined": 3,
        "excluded": 0,
        "clipped_boxes": 0,
        "polygons": 0,
        "polygon_images": 0,
        "faces": 7,
        "persons": 0,
        "sequences": 0,
        "emotions": {"anger": 1, "fear": 3},
        "declared": ["anger", "fear"],
    }


def test_order_of_listing_changes_no_byte(tmp_path: Path, raw: Path) -> None:
    written = []
    for turn in range(2):
        reading = Folder().read(raw)
        if turn:
            random.Random(1).shuffle(reading.records)
        write_cleaned(tmp_path / f"{turn}", deduplicate(reading, raw, "toy", "keep_first", 16))
        written.append({p.name: p.read_bytes() for p in (tmp_path / f"{turn}").iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"index.parquet", "dropped.csv", "quarantine.csv", "dedup.json"}


def test_absent_file_and_path_outside_the_folder_are_quarantined(
    tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "raw/a.png")
    draw(tmp_path / "outside.png")
    names = ("a.png", "b.png", "../outside.png", str(tmp_path / "outside.png"))
    reading = Reading([Record(f"{i}", name, "fear") for i, name in enumerate(names)])
    cleaned = deduplicate(reading, tmp_path / "raw", "toy", "drop_all", 16)
    assert [row["path"] for row in cleaned.rows] == ["a.png"]
    assert {fault.path: fault.reason for fault in cleaned.quarantine} == {
        "b.png": "absent",
        "../outside.png": "outside the data set's folder",
        str(tmp_path / "outside.png"): "outside the data set's folder",
    }


def test_face_without_area_is_dropped_and_the_image_only_if_none_is_left(
    tmp_path: Path, draw: Draw
) -> None:
    good, bad = Box(1, 1, 20, 20, "anger"), Box(60, 0, 90, 20, "fear")
    reading = Reading()
    for number, faces in enumerate([(bad, good), (bad,)]):
        draw(tmp_path / f"{number}.png", number)
        reading.records.append(Record(f"{number}", f"{number}.png", "fear", faces=faces))
    cleaned = deduplicate(reading, tmp_path, "toy", "drop_all", 16)
    assert [(row["image_id"], row["emotion"]) for row in cleaned.rows] == [("0", "anger")]
    assert [fault.path for fault in cleaned.quarantine] == ["0.png", "1.png"]


def test_what_the_source_found_is_carried_on(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png")
    reading = Reading(
        records=[Record("a", "a.png", "fear", person="p", sequence="s", votes=(1, 2))],
        faults=[Fault("labels.csv, row 3", "no number")],
        excluded=[Fault("b.png", "a tie")],
        counts={"joined_rows": 5},
    )
    cleaned = deduplicate(reading, tmp_path, "toy", "drop_all", 16)
    assert cleaned.counts["joined_rows"] == 5
    assert (cleaned.counts["quarantined"], cleaned.counts["excluded"]) == (1, 1)
    assert (cleaned.counts["persons"], cleaned.counts["sequences"]) == (1, 1)
    assert cleaned.dropped == [{"path": "b.png", "reason": "excluded: a tie"}]
    assert cleaned.rows[0]["votes"] == [1, 2]


def test_nothing_readable_is_told_with_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "fear").mkdir()
    (tmp_path / "fear/a.png").write_text("text")
    with pytest.raises(InputError, match="no image of a known format"):
        deduplicate(Folder().read(tmp_path), tmp_path, "toy", "drop_all", 16)


def test_missing_raw_folder_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run stage download first"):
        list_images(Folder(), tmp_path / "raw")
