"""ExpW's label list: top before left, several faces a scene, and every bad row told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.data.ingest.source import Box
from ferbench.data.sources.expw import ExpW

Draw = Callable[..., Path]


def _scenes(root: Path, draw: Draw, names: str, *rows: str) -> None:
    for seed, name in enumerate(names.split()):
        draw(root / f"image/origin/{name}.jpg", seed, (200, 100), "RGB")
    (root / "label").mkdir(parents=True, exist_ok=True)
    (root / "label/label.lst").write_text("\n".join(rows) + "\n")


def test_faces_of_a_scene_are_one_record(tmp_path: Path, draw: Draw) -> None:
    _scenes(
        tmp_path / "ExpW",
        draw,
        "angry_man_1 sad_boy_2",
        "sad_boy_2.jpg 0 10 20 60 50 90.5 4",
        "angry_man_1.jpg 0 5 6 70 80 93.9 0",
        "angry_man_1.jpg 2 1 100 150 40 12.5 6",
    )
    records = ExpW().read(tmp_path).records
    assert [(r.image_id, r.emotion, r.faces) for r in records] == [
        ("angry_man_1", "anger", (Box(6, 5, 70, 80, "anger"), Box(100, 1, 150, 40, "neutral"))),
        ("sad_boy_2", "sadness", (Box(20, 10, 60, 50, "sadness"),)),
    ]
    assert not records[0].normalised


def test_faces_of_low_confidence_are_excluded_by_an_option(tmp_path: Path, draw: Draw) -> None:
    _scenes(
        tmp_path,
        draw,
        "a b",
        "a.jpg 0 1 1 50 50 30 0",
        "a.jpg 1 1 1 50 50 60 2",
        "b.jpg 0 1 1 9 9 30 0",
    )
    reading = ExpW({"min_confidence": 50}).read(tmp_path)
    assert [(r.image_id, r.emotion, len(r.faces)) for r in reading.records] == [("a", "fear", 1)]
    assert [(f.path, f.reason) for f in reading.excluded] == [
        ("image/origin/b.jpg", "no face of confidence 50")
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("b.jpg 0 1 1 9 9 30", "7 columns, not 8"),
        ("b.jpg 0 1 1 9 x 30 0", "a column is not a number"),
        ("b.jpg 0 1 1 9 nan 30 0", "a column is not finite"),
        ("b.jpg 0 1 1 9 9 30 7", "expression 7"),
        ("b.jpg 0 1 1 9 9 30 -1", "expression -1"),
    ],
)
def test_bad_row_removes_its_scene(tmp_path: Path, draw: Draw, row: str, reason: str) -> None:
    _scenes(tmp_path, draw, "a b", "a.jpg 0 1 1 50 50 30 0", "b.jpg 1 1 1 50 50 60 2", row)
    reading = ExpW().read(tmp_path)
    assert [record.image_id for record in reading.records] == ["a"]
    assert [fault.path for fault in reading.faults] == ["image/origin/b.jpg"]
    assert f"label.lst, row 3: {reason}" in reading.faults[0].reason


def test_absent_scene_names_its_row_and_scene_without_face_is_excluded(
    tmp_path: Path, draw: Draw
) -> None:
    _scenes(tmp_path, draw, "a b", "a.jpg 0 1 1 50 50 30 0", "c.jpg 1 1 1 50 50 60 2")
    reading = ExpW().read(tmp_path)
    assert [(f.path, f.reason) for f in reading.faults] == [
        ("image/origin/c.jpg", "absent, listed in label.lst, row 2")
    ]
    assert [fault.path for fault in reading.excluded] == ["image/origin/b.jpg"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.jpg", "x/a.jpg", "..", "n" * 300 + ".jpg"])
def test_listed_path_is_a_fault_and_not_followed(tmp_path: Path, draw: Draw, name: str) -> None:
    _scenes(tmp_path, draw, "a", "a.jpg 0 1 1 50 50 90 0", f"{name} 0 1 1 50 50 90 0")
    draw(tmp_path / "image/a.jpg")
    draw(tmp_path / "image/origin/x/a.jpg")
    reading = ExpW().read(tmp_path)
    assert [record.path for record in reading.records] == ["image/origin/a.jpg"]
    deeper, listed = sorted(reading.faults, key=lambda fault: "row 2" in fault.reason)
    assert deeper.path == "image/origin/x/a.jpg"
    absent = name == ".." or len(name) > 255
    assert listed.reason.startswith("absent") is absent
    assert listed.reason.endswith("is not a file name") is not absent
