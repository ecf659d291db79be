"""FER2013 as folders and as the original table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ferbench.data.images import decode
from ferbench.data.ingest.fetch import fetch
from ferbench.data.sources.fer2013 import Fer2013
from ferbench.errors import InputError

Draw = Callable[..., Path]
PIXELS = [np.random.default_rng(i).integers(0, 256, 48 * 48) for i in range(3)]


def _text(pixels: np.ndarray) -> str:
    return " ".join(map(str, pixels))


def test_roles_are_those_of_the_competition(tmp_path: Path, draw: Draw) -> None:
    for name in ("train/angry/Training_1", "test/sad/PublicTest_2", "test/sad/PrivateTest_3"):
        draw(tmp_path / f"{name}.jpg")
    records = Fer2013().read(tmp_path).records
    assert [(r.image_id, r.emotion, r.source_split) for r in records] == [
        ("test_sad_PrivateTest_3", "sadness", "test"),
        ("test_sad_PublicTest_2", "sadness", "val"),
        ("train_angry_Training_1", "anger", "train"),
    ]


def test_public_test_is_test_where_there_is_no_other(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/angry/Training_1.jpg")
    draw(tmp_path / "test/sad/PublicTest_2.jpg")
    assert [r.source_split for r in Fer2013().read(tmp_path).records] == ["test", "train"]


def test_renamed_files_are_split_by_their_folder(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a/train/angry/im0.png")
    draw(tmp_path / "a/test/sad/im0.png")
    assert [r.source_split for r in Fer2013().read(tmp_path).records] == ["test", "train"]


def test_one_name_in_two_classes_is_two_images(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/angry/Training_8.jpg", 1)
    draw(tmp_path / "train/surprise/Training_8.jpg", 2)
    assert [r.image_id for r in Fer2013().read(tmp_path).records] == [
        "train_angry_Training_8",
        "train_surprise_Training_8",
    ]


def test_unknown_class_folder_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train/angri/Training_8.jpg")
    with pytest.raises(InputError, match=r"unknown class 'angri'"):
        Fer2013().read(tmp_path)


@pytest.mark.parametrize(
    ("name", "header", "order"),
    [
        ("fer2013.csv", "emotion,pixels,Usage", "{0},{1},{2}"),
        ("icml_face_data.csv", "emotion, Usage, pixels", "{0},{2},{1}"),
    ],
)
def test_table_becomes_images_bit_by_bit(
    tmp_path: Path, name: str, header: str, order: str
) -> None:
    rows = [(0, "Training"), (4, "PublicTest"), (6, "PrivateTest")]
    lines = [header] + [
        order.format(code, _text(pixels), usage)
        for (code, usage), pixels in zip(rows, PIXELS, strict=True)
    ]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    source, root = Fer2013(), tmp_path / "raw"
    fetch(source, "fer2013", str(tmp_path / name), root)
    records = source.read(root).records
    assert [(r.image_id, r.emotion, r.source_split) for r in records] == [
        ("test_neutral_PrivateTest_row00002", "neutral", "test"),
        ("test_sad_PublicTest_row00001", "sadness", "val"),
        ("train_angry_Training_row00000", "anger", "train"),
    ]
    for record, pixels in zip(reversed(records), (PIXELS[0], PIXELS[1], PIXELS[2]), strict=True):
        assert (decode(root / record.path).ravel() == pixels).all()
    assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"0,{_text(PIXELS[1][:-1])},Training", "2303 pixels"),
        (f"0,{_text(PIXELS[1])} 256,Training", ""),
        ("0,a b c,Training", "not a whole number"),
        (f"7,{_text(PIXELS[1])},Training", "emotion '7'"),
        (f"0,{_text(PIXELS[1])},Test", "Usage 'Test'"),
        ("0", "Usage ''"),
    ],
)
def test_bad_row_of_the_table_is_a_fault(tmp_path: Path, row: str, reason: str) -> None:
    good = f"0,{_text(PIXELS[0])},Training"
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{good}\n{row}\n")
    source = Fer2013()
    source.prepare(tmp_path)
    reading = source.read(tmp_path)
    assert len(reading.records) == 1
    assert [fault.path for fault in reading.faults] == ["fer2013.csv, row 3"]
    assert reason in reading.faults[0].reason


def test_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text("emotion,pixels\n")
    with pytest.raises(InputError, match="no column Usage"):
        Fer2013().prepare(tmp_path)


@pytest.mark.parametrize("text", ["emotion,pixel,Usage\n", "\xff\xfe\x00", ""])
def test_table_that_cannot_be_read_is_refused_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "fer2013.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"fer2013\.csv") as caught:
        Fer2013().prepare(tmp_path)
    assert caught.value.remedy


def test_folder_named_like_the_table_is_not_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").mkdir()
    Fer2013().prepare(tmp_path)
    with pytest.raises(InputError, match="neither train"):
        Fer2013().read(tmp_path)
