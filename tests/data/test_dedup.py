"""From a reading to the index: unusable files, copies, conflicts and boxes."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ferbench.artifacts.index import SCHEMA, read_index, write_index
from ferbench.data.dedup import (
    Policy,
    deduplicate,
    list_images,
    place_faces,
    resolve,
    write_cleaned,
)
from ferbench.data.ingest.source import Box, Fault, Reading, Record
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


def _dropped(rows: Iterable[dict[str, Any]]) -> dict[str, tuple[str | None, ...]]:
    """Reason, detail and kept copy of the dropped images by path."""
    columns = ("dropped_reason", "detail", "duplicate_of")
    return {
        row["path"]: tuple(row.get(column) for column in columns)
        for row in rows
        if row["dropped_reason"]
    }


def test_index_has_a_row_for_every_listed_image(tmp_path: Path, raw: Path) -> None:
    cleaned = deduplicate(list_images(Folder(), raw), raw, "toy", "drop_all", 16)
    write_cleaned(tmp_path / "interim", cleaned, Folder.METADATA, {"toy.zip": "00"})
    kept = read_index(tmp_path / "interim/index.parquet")
    assert list(kept["path"]) == [
        "test/fear/4.png",
        "train/anger/2.png",
        "train/fear/0.png",
        "train/fear/1.png",
    ]
    assert list(kept["md5"]) == [md5_file(raw / path) for path in kept["path"]]
    assert kept["width"].dtype == "int32"
    assert list(kept.columns) == SCHEMA.names[:-3]
    index = read_index(tmp_path / "interim/index.parquet", dropped=True)
    assert len(index) == 10
    assert set(index["dataset"]) == {"toy"}
    face = {"left": 0.0, "top": 0.0, "right": 48.0, "bottom": 48.0, "emotion": "fear"}
    assert kept["faces"][0] == [face]
    conflict = ("conflict", "labels anger | fear, policy drop_all", None)
    assert _dropped(pq.read_table(tmp_path / "interim/index.parquet").to_pylist()) == {
        "train/fear/copy of 4.png": ("duplicate", None, "test_fear_4"),
        "train/fear/3.png": conflict,
        "val/anger/3.png": conflict,
        "train/fear/empty.png": ("quarantined", "empty file", None),
        "train/fear/text.png": ("quarantined", "not an image of a known format", None),
        "train/fear/small.png": ("quarantined", "8x48 px, a side is below 16 px", None),
    }
    summary = json.loads((tmp_path / "interim/dedup.json").read_text())
    assert summary["about"]["archives"] == {"toy.zip": "00"}
    assert summary["emotions"] == ["anger", "fear"]
    assert summary["counts"] == {
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
    }


def test_order_of_listing_does_not_change_the_files(tmp_path: Path, raw: Path) -> None:
    written = []
    for turn in range(2):
        reading = Folder().read(raw)
        if turn:
            random.Random(1).shuffle(reading.records)
        cleaned = deduplicate(reading, raw, "toy", "keep_first", 16)
        write_cleaned(tmp_path / f"{turn}", cleaned, Folder.METADATA, {})
        written.append({p.name: p.read_bytes() for p in (tmp_path / f"{turn}").iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"index.parquet", "dedup.json"}


def test_absent_file_and_path_outside_the_folder_are_quarantined(
    tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "raw/a.png")
    draw(tmp_path / "outside.png")
    names = ("a.png", "b.png", "../outside.png", str(tmp_path / "outside.png"))
    reading = Reading([Record(f"{i}", name, "fear") for i, name in enumerate(names)])
    cleaned = deduplicate(reading, tmp_path / "raw", "toy", "drop_all", 16)
    assert [row["path"] for row in cleaned.kept] == ["a.png"]
    outside = ("quarantined", "outside the data set's folder", None)
    assert _dropped(cleaned.rows) == {
        "b.png": ("quarantined", "absent", None),
        "../outside.png": outside,
        str(tmp_path / "outside.png"): outside,
    }


def test_face_without_area_is_dropped_and_its_image_if_no_face_is_left(
    tmp_path: Path, draw: Draw
) -> None:
    good, bad = Box(1, 1, 20, 20, "anger"), Box(60, 0, 90, 20, "fear")
    reading = Reading()
    for number, faces in enumerate([(bad, good), (bad,)]):
        draw(tmp_path / f"{number}.png", number)
        reading.records.append(Record(f"{number}", f"{number}.png", "fear", faces=faces))
    cleaned = deduplicate(reading, tmp_path, "toy", "drop_all", 16)
    fault = "face {} has no area inside the image"
    columns = ("image_id", "emotion", "dropped_reason", "detail")
    assert [tuple(row[column] for column in columns) for row in cleaned.rows] == [
        ("0", "anger", None, fault.format(0)),
        ("1", "fear", "quarantined", fault.format(0)),
    ]
    assert cleaned.counts["quarantined"] == 2


def test_faults_exclusions_and_counts_of_the_source_are_kept(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png")
    reading = Reading(
        records=[Record("a", "a.png", "fear", person="p", sequence="s", votes=(1, 2))],
        faults=[Fault("labels.csv, row 3", "not a number")],
        excluded=[Fault("b.png", "a tie"), Fault("c.png", "no row", no_face=True)],
        counts={"joined_rows": 5},
    )
    cleaned = deduplicate(reading, tmp_path, "toy", "drop_all", 16)
    assert cleaned.counts["joined_rows"] == 5
    assert (cleaned.counts["quarantined"], cleaned.counts["excluded"]) == (1, 2)
    assert (cleaned.counts["persons"], cleaned.counts["sequences"]) == (1, 1)
    assert _dropped(cleaned.rows) == {
        "labels.csv, row 3": ("quarantined", "not a number", None),
        "b.png": ("excluded", "a tie", None),
        "c.png": ("no_face", "no row", None),
    }
    assert cleaned.kept[0]["votes"] == [1, 2]
    write_cleaned(tmp_path / "interim", cleaned, Folder.METADATA, {})
    index = read_index(tmp_path / "interim/index.parquet", dropped=True)
    assert index["image_id"].isna().tolist() == [True, True, True, False]


def test_fault_of_a_kept_image_is_noted_in_its_row(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png")
    faults = [Fault("a.png", "row 3: listed twice"), Fault("a.png", "row 2: listed twice")]
    reading = Reading(records=[Record("a", "a.png", "fear")], faults=faults)
    cleaned = deduplicate(reading, tmp_path, "toy", "drop_all", 16)
    (row,) = cleaned.kept
    assert row["detail"] == "row 2: listed twice; row 3: listed twice"
    assert (cleaned.counts["images"], cleaned.counts["quarantined"]) == (1, 1)


def test_images_of_one_id_are_refused(tmp_path: Path) -> None:
    rows = [{"image_id": "a", "path": f"{number}.png"} for number in range(2)]
    with pytest.raises(ValueError, match="two images have the id 'a'"):
        write_index(tmp_path / "index.parquet", rows)
    with pytest.raises(ValueError, match="unknown dropped_reason"):
        write_index(tmp_path / "index.parquet", [rows[0] | {"dropped_reason": "ugly"}])


def test_data_set_without_readable_images_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "fear").mkdir()
    (tmp_path / "fear/a.png").write_text("text")
    with pytest.raises(InputError, match="not an image of a known format"):
        deduplicate(Folder().read(tmp_path), tmp_path, "toy", "drop_all", 16)


def test_missing_raw_folder_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run stage download first"):
        list_images(Folder(), tmp_path / "raw")


def _row(name: str, md5: str, *emotions: str, split: str | None = None) -> dict[str, Any]:
    faces = [{"left": 10.0 * i, "top": 0.0, "emotion": word} for i, word in enumerate(emotions)]
    return {
        "image_id": name,
        "path": f"{name}.png",
        "md5": md5,
        "emotion": emotions[0],
        "source_split": split,
        "faces": faces,
    }


def _kept(rows: list[dict[str, Any]], policy: Policy = "drop_all") -> list[str]:
    resolved, _ = resolve(rows, policy)
    return sorted(row["image_id"] for row in resolved if row["dropped_reason"] is None)


def _counts(*rows: dict[str, Any], policy: Policy = "drop_all") -> dict[str, int]:
    return resolve(rows, policy)[1]


def test_copy_in_test_is_preferred_then_val_then_train_then_the_first_path() -> None:
    rows = [
        _row("a", "1", "fear"),
        _row("b", "1", "fear", split="train"),
        _row("c", "1", "fear", split="val"),
        _row("d", "1", "fear", split="test"),
    ]
    for kept in ("d", "c", "b", "a"):
        for order in itertools.permutations(rows):
            assert _kept(list(order)) == [kept]
        rows.pop()
    assert _kept([_row("b", "1", "fear"), _row("a", "1", "fear")]) == ["a"]


def test_duplicate_names_the_kept_image() -> None:
    resolved, _ = resolve([_row("a", "1", "fear"), _row("b", "1", "fear")], "drop_all")
    columns = ("image_id", "dropped_reason", "detail", "duplicate_of")
    assert [tuple(row[column] for column in columns) for row in resolved] == [
        ("a", None, None, None),
        ("b", "duplicate", None, "a"),
    ]


def _conflict(*emotions: str) -> list[dict[str, Any]]:
    return [_row(f"{i}", "1", word) for i, word in enumerate(emotions)]


def test_conflicts_follow_the_policy() -> None:
    rows = _conflict("fear", "anger", "anger")
    assert _kept(rows, "drop_all") == []
    assert _kept(rows, "majority") == ["1"]
    assert _kept(_conflict("fear", "anger"), "majority") == []
    assert _kept(rows, "keep_first") == ["0"]


def test_every_image_is_kept_or_dropped_with_a_reason() -> None:
    for policy in ("drop_all", "majority", "keep_first"):
        resolved, _ = resolve(_conflict("fear", "anger", "anger"), policy)
        assert len(resolved) == 3
        dropped = [row for row in resolved if row["dropped_reason"]]
        assert all(
            row["dropped_reason"] == "conflict" and "labels anger | fear" in row["detail"]
            for row in dropped
        )


def test_counts_do_not_depend_on_the_policy() -> None:
    rows = [
        *(_row(f"a{i}", "1", "fear") for i in range(3)),
        *(_row(f"b{i}", "2", word) for i, word in enumerate(("fear", "anger"))),
        _row("c", "3", "fear"),
    ]
    for policy in ("drop_all", "majority", "keep_first"):
        assert _counts(*rows, policy=policy) == {
            "duplicate_groups": 2,
            "redundant_copies": 3,
            "conflict_groups": 1,
            "conflict_images": 2,
        }


def test_label_lists_emotions_of_all_faces_from_left_to_right() -> None:
    swapped = [_row("a", "1", "fear", "anger"), _row("b", "1", "anger", "fear")]
    assert _counts(*swapped)["conflict_groups"] == 1
    listed_backwards = _row("b", "1", "fear", "anger")
    listed_backwards["faces"].reverse()
    assert _counts(_row("a", "1", "fear", "anger"), listed_backwards)["conflict_groups"] == 0


def test_face_outlined_twice_is_no_conflict() -> None:
    rows = [_row("a", "1", "fear"), _row("b", "1", "fear", "fear")]
    assert _counts(*rows)["conflict_groups"] == 0


def _record(*boxes: tuple[float, float, float, float], normalised: bool = False) -> Record:
    faces = tuple(Box(*box, emotion="fear") for box in boxes)
    return Record("a", "a.jpg", "fear", faces=faces, normalised=normalised)


def _corners(face: dict[str, float]) -> tuple[float, float, float, float]:
    return face["left"], face["top"], face["right"], face["bottom"]


def test_image_without_boxes_is_one_face() -> None:
    placed = place_faces(_record(), 40, 30)
    assert [_corners(face) for face in placed.faces] == [(0, 0, 40, 30)]
    assert placed.faces[0]["emotion"] == "fear"


def test_fractions_become_pixels() -> None:
    placed = place_faces(_record((0.25, 0.5, 0.75, 1.0), normalised=True), 200, 100)
    assert _corners(placed.faces[0]) == (50, 50, 150, 100)
    assert placed.clipped == 0


def test_box_beyond_the_border_is_clipped_and_counted() -> None:
    placed = place_faces(_record((-5, 10, 20, 20), (1, 1, 9, 31), (0, 0, 40, 30)), 40, 30)
    assert [_corners(face) for face in placed.faces] == [
        (0, 10, 20, 20),
        (1, 1, 9, 30),
        (0, 0, 40, 30),
    ]
    assert placed.clipped == 2


def test_rounding_of_fractions_is_clipped_but_not_counted() -> None:
    placed = place_faces(_record((0, 0, 1.0004, 1), normalised=True), 640, 640)
    assert _corners(placed.faces[0]) == (0, 0, 640, 640)
    assert placed.clipped == 0
    assert place_faces(_record((0, 0, 1.01, 1), normalised=True), 640, 640).clipped == 1


@pytest.mark.parametrize(
    "box", [(50, 0, 60, 10), (5, 5, 5, 9), (9, 5, 5, 9), (0, 0, 0.4, 9), (math.nan, 0, 9, 9)]
)
def test_face_without_area_inside_is_a_fault(box: tuple[float, float, float, float]) -> None:
    placed = place_faces(_record((1, 1, 9, 9), box), 40, 30)
    assert len(placed.faces) == 1
    assert placed.faults == ["face 1 has no area inside the image"]
