"""FER+ labels beside either form of FER2013."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferbench.data.ingest.fetch import fetch
from ferbench.data.ingest.source import Reading
from ferbench.data.sources.fer2013 import Fer2013
from ferbench.data.sources.ferplus import FerPlus
from ferbench.errors import InputError

Draw = Callable[..., Path]
VOTES = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def _labels(path: Path, rows: dict[str, str]) -> None:
    lines = [f"file,split,{VOTES},fer2013_row"]
    lines += [f"{name},train,{votes},{row}" for row, (name, votes) in enumerate(rows.items())]
    path.write_text("\n".join(lines) + "\n")


def _read(tmp_path: Path, draw: Draw, votes: dict[str, str], label: str = "plurality") -> Reading:
    rows = {}
    for seed, (name, row) in enumerate(votes.items()):
        draw(tmp_path / f"fer/train/angry/Training_{name}.jpg", seed)
        rows[f"train/angry/Training_{name}.jpg"] = row
    _labels(tmp_path / "ferplus_labels.csv", rows)
    return FerPlus({"label": label}).read(tmp_path)


def test_label_is_the_emotion_with_most_votes(tmp_path: Path, draw: Draw) -> None:
    reading = _read(tmp_path, draw, {"1": "0,0,2,0,8,0,0,0,0,0", "2": "4,0,0,0,3,0,0,3,0,0"})
    assert [(r.image_id, r.emotion, r.votes) for r in reading.records] == [
        ("train_angry_Training_1", "anger", (0, 0, 2, 0, 8, 0, 0, 0)),
        ("train_angry_Training_2", "neutral", (4, 0, 0, 0, 3, 0, 0, 3)),
    ]
    assert reading.counts == {"joined_rows": 2}
    assert {record.source_split for record in reading.records} == {"train"}


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ("5,5,0,0,0,0,0,0,0,0", "a tie between neutral and happiness"),
        ("4,0,0,0,0,0,0,0,4,2", "a tie between neutral and unknown"),
        ("3,0,0,0,0,0,0,0,7,0", "most raters chose unknown"),
        ("3,0,0,0,0,0,0,0,0,7", "most raters chose NF"),
        ("0,0,0,0,0,0,0,0,4,6", "no rater named an emotion"),
    ],
)
def test_image_without_a_label_is_excluded_with_its_reason(
    tmp_path: Path, draw: Draw, votes: str, reason: str
) -> None:
    reading = _read(tmp_path, draw, {"1": votes})
    assert [(f.path, f.reason) for f in reading.excluded] == [
        ("fer/train/angry/Training_1.jpg", reason)
    ]
    assert reading.counts == {"joined_rows": 1}


def test_majority_requires_more_than_half(tmp_path: Path, draw: Draw) -> None:
    votes = {"1": "5,4,1,0,0,0,0,0,0,0", "2": "6,4,0,0,0,0,0,0,0,0", "3": "5,4,0,0,0,0,0,0,0,0"}
    assert len(_read(tmp_path, draw, votes).records) == 3
    reading = _read(tmp_path, draw, votes, "majority")
    assert [record.image_id[-1] for record in reading.records] == ["2", "3"]
    assert "more than half" in reading.excluded[0].reason
    with pytest.raises(InputError, match="plurality"):
        _read(tmp_path, draw, votes, "mean")


def test_fer2013s_own_labels_keep_every_image_and_add_votes(tmp_path: Path, draw: Draw) -> None:
    votes = {"1": "5,5,0,0,0,0,0,0,0,0", "2": "0,0,0,0,0,0,0,0,4,6", "3": "0,0,0,0,8,0,0,0,2,0"}
    draw(tmp_path / "fer/train/happy/Training_4.jpg", 4)  # without a row
    reading = _read(tmp_path, draw, votes, "fer2013")
    assert [(record.emotion, record.votes) for record in reading.records] == [
        ("anger", (5, 5, 0, 0, 0, 0, 0, 0)),
        ("anger", None),
        ("anger", (0, 0, 0, 0, 8, 0, 0, 0)),
        ("happiness", None),
    ]
    assert reading.excluded == []
    plain = Fer2013().read(tmp_path)
    strip = [dataclasses.replace(record, votes=None) for record in reading.records]
    assert strip == plain.records
    assert reading.emotions == Fer2013.METADATA.emotions


def test_image_without_a_row_is_excluded_and_row_without_image_a_fault(
    tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "train/angry/Training_1.jpg")
    _labels(tmp_path / "ferplus_labels.csv", {"train/angry/Training_9.jpg": "9,0,0,0,0,0,0,0,0,1"})
    reading = FerPlus().read(tmp_path)
    assert "no row in ferplus_labels.csv" in reading.excluded[0].reason
    assert [(f.path, f.reason) for f in reading.faults] == [
        ("ferplus_labels.csv, row 2", "train/angry/Training_9.jpg is absent")
    ]
    assert reading.counts == {"joined_rows": 0}


@pytest.mark.parametrize(
    "votes", ["9,x,0,0,0,0,0,0,0,1", "9,,0,0,0,0,0,0,0,1", "9,-1,0,0,0,0,0,0,0,1"]
)
def test_vote_that_is_not_a_number_is_a_fault(tmp_path: Path, draw: Draw, votes: str) -> None:
    reading = _read(tmp_path, draw, {"1": votes})
    assert [fault.path for fault in reading.faults] == ["ferplus_labels.csv, row 2"]
    assert not reading.records


def test_upstream_table_is_joined_by_row_of_the_original_table(tmp_path: Path) -> None:
    pixels = " ".join(map(str, np.zeros(48 * 48, int)))
    (tmp_path / "fer2013.csv").write_text(
        "emotion,pixels,Usage\n"
        + f"0,{pixels},Training\n3,{pixels},PublicTest\n4,{pixels},PrivateTest\n"
    )
    (tmp_path / "fer2013new.csv").write_text(
        f"Usage,Image name,{VOTES}\n"
        "Training,fer0000000.png,0,0,0,0,9,0,0,0,0,1\n"
        "PublicTest,,0,0,0,0,0,0,0,0,0,10\n"
        "PrivateTest,fer0000002.png,0,0,0,8,0,0,0,2,0,0\n"
    )
    source = FerPlus()
    record = fetch(source, "ferplus", str(tmp_path), tmp_path / "raw")
    assert sorted(record["archives"]) == ["fer2013.csv", "fer2013new.csv"]
    reading = source.read(tmp_path / "raw")
    assert [(r.image_id, r.emotion, r.source_split) for r in reading.records] == [
        ("test_sad_PrivateTest_row00002", "sadness", "test"),
        ("train_angry_Training_row00000", "anger", "train"),
    ]
    assert [fault.path for fault in reading.excluded] == ["test/happy/PublicTest_row00001.png"]


def test_upstream_table_is_refused_beside_folders(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/angry/Training_1.jpg")
    (tmp_path / "fer2013new.csv").write_text(
        f"Usage,Image name,{VOTES}\nTraining,fer0000000.png,0,0,0,0,9,0,0,0,0,1\n"
    )
    with pytest.raises(InputError, match=r"fer2013\.csv"):
        FerPlus().read(tmp_path)


def test_missing_labels_and_columns_are_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/angry/Training_1.jpg")
    with pytest.raises(InputError, match=r"no ferplus_labels\.csv"):
        FerPlus().read(tmp_path)
    (tmp_path / "ferplus_labels.csv").write_text("file,neutral\n")
    with pytest.raises(InputError, match="no column happiness"):
        FerPlus().read(tmp_path)


@pytest.mark.parametrize("vote", ["9" * 5000, "40000"])
def test_vote_of_impossible_size_is_a_fault(tmp_path: Path, draw: Draw, vote: str) -> None:
    reading = _read(tmp_path, draw, {"1": f"{vote},0,0,0,0,0,0,0,0,0", "2": "9,0,0,0,1,0,0,0,0,0"})
    assert [record.image_id for record in reading.records] == ["train_angry_Training_2"]
    assert [fault.reason for fault in reading.faults] == [
        "a vote is not a whole number below 10000"
    ]
