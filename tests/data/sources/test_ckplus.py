"""CK+ in both published layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.data.ingest.source import Record
from ferbench.data.sources.ckplus import CKPlus
from ferbench.errors import InputError

Draw = Callable[..., Path]


def _tree(root: Path, draw: Draw, labels: dict[str, str]) -> None:
    for sequence in ("S005/001", "S005/002", "S010/001"):
        for frame in range(1, 6):
            name = f"{sequence.replace('/', '_')}_{frame:08d}.png"
            draw(root / "cohn-kanade-images" / sequence / name)
    for sequence, code in labels.items():
        path = root / "Emotion" / sequence / f"{sequence.replace('/', '_')}_00000005_emotion.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"   {code}\n")


def test_crops_have_person_and_sequence(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "some/CK+48/anger/S010_004_00000017.png")
    draw(tmp_path / "some/CK+48/happy/S011_006_00000013.png")
    assert CKPlus().read(tmp_path).records == [
        Record(
            image_id="anger_S010_004_00000017",
            path="some/CK+48/anger/S010_004_00000017.png",
            emotion="anger",
            person="S010",
            sequence="S010_004",
        ),
        Record(
            image_id="happy_S011_006_00000013",
            path="some/CK+48/happy/S011_006_00000013.png",
            emotion="happiness",
            person="S011",
            sequence="S011_006",
        ),
    ]


def test_crop_without_subject_in_its_name_is_a_fault(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "anger/S010_004_00000017.png")
    draw(tmp_path / "anger/me.png")
    reading = CKPlus().read(tmp_path)
    assert len(reading.records) == 1
    assert [fault.path for fault in reading.faults] == ["anger/me.png"]


def test_unknown_class_folder_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "anger/S010_004_00000017.png")
    draw(tmp_path / "sleepy/S010_004_00000018.png")
    with pytest.raises(InputError, match=r"sleepy.*\n.*known: .*sadness"):
        CKPlus().read(tmp_path)


def test_labelled_sequences_of_the_tree_are_read_by_their_last_three_frames(
    tmp_path: Path, draw: Draw
) -> None:
    _tree(tmp_path, draw, {"S005/001": "3.0000000e+00", "S010/001": "5.0000000e+00"})
    reading = CKPlus().read(tmp_path)
    assert [(r.image_id, r.emotion, r.person, r.sequence) for r in reading.records] == [
        ("S005_001_00000003", "disgust", "S005", "S005_001"),
        ("S005_001_00000004", "disgust", "S005", "S005_001"),
        ("S005_001_00000005", "disgust", "S005", "S005_001"),
        ("S010_001_00000003", "happiness", "S010", "S010_001"),
        ("S010_001_00000004", "happiness", "S010", "S010_001"),
        ("S010_001_00000005", "happiness", "S010", "S010_001"),
    ]
    assert "neutral" not in reading.emotions


def test_frames_are_chosen_by_an_option(tmp_path: Path, draw: Draw) -> None:
    _tree(tmp_path, draw, {"S005/001": "1.0"})

    def frames(word: str) -> list[tuple[str, str]]:
        records = CKPlus({"frames": word}).read(tmp_path).records
        return [(record.image_id[-1], record.emotion) for record in records]

    assert frames("peak") == [("5", "anger")]
    assert frames("with_neutral") == [
        ("1", "neutral"),
        ("3", "anger"),
        ("4", "anger"),
        ("5", "anger"),
    ]
    assert CKPlus({"frames": "with_neutral"}).read(tmp_path).emotions[0] == "neutral"
    with pytest.raises(InputError, match="last3"):
        frames("last4")


@pytest.mark.parametrize("code", ["8.0", "", "x", "1.5", "nan", "-1"])
def test_label_file_without_a_code_is_a_fault(tmp_path: Path, draw: Draw, code: str) -> None:
    _tree(tmp_path, draw, {"S005/001": code, "S010/001": "1.0"})
    reading = CKPlus().read(tmp_path)
    assert {record.person for record in reading.records} == {"S010"}
    assert [fault.path for fault in reading.faults] == [
        "Emotion/S005/001/S005_001_00000005_emotion.txt"
    ]


def test_label_file_without_frames_is_a_fault(tmp_path: Path, draw: Draw) -> None:
    _tree(tmp_path, draw, {"S005/001": "1.0", "S999/001": "1.0"})
    assert [fault.reason for fault in CKPlus().read(tmp_path).faults] == [
        "its sequence has no frames"
    ]


def test_second_file_of_a_frame_is_excluded(tmp_path: Path, draw: Draw) -> None:
    _tree(tmp_path, draw, {"S005/001": "3.0"})
    folder = tmp_path / "cohn-kanade-images/S005/001"
    for frame in (4, 5):
        draw(folder / f"S005_001_{frame:08d}.jpg")
    reading = CKPlus().read(tmp_path)
    assert [Path(record.path).name for record in reading.records] == [
        f"S005_001_{frame:08d}.png" for frame in (3, 4, 5)
    ]
    assert [(Path(f.path).name, f.reason) for f in reading.excluded] == [
        (f"S005_001_{frame:08d}.jpg", f"the same frame as S005_001_{frame:08d}.png")
        for frame in (4, 5)
    ]


def test_first_frame_of_a_short_sequence_has_one_label(tmp_path: Path, draw: Draw) -> None:
    _tree(tmp_path, draw, {"S005/001": "3.0"})
    for frame in (1, 2):
        (tmp_path / f"cohn-kanade-images/S005/001/S005_001_{frame:08d}.png").unlink()
    records = CKPlus({"frames": "with_neutral"}).read(tmp_path).records
    assert [record.emotion for record in records] == ["disgust"] * 3
    assert len({record.image_id for record in records}) == 3


def test_label_file_that_is_not_text_removes_only_its_sequence(tmp_path: Path, draw: Draw) -> None:
    _tree(tmp_path, draw, {"S005/001": "3.0", "S005/002": "1.0"})
    (bad,) = (tmp_path / "Emotion/S005/002").iterdir()
    bad.write_bytes(b"\xff\xfe1")
    reading = CKPlus().read(tmp_path)
    assert {record.sequence for record in reading.records} == {"S005_001"}
    assert [fault.reason for fault in reading.faults] == ["no code from 0 to 7"]
