"""The same pictures in every form are read alike, and what is none of the forms is refused."""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferbench.data.ingest.source import Reading
from ferbench.errors import InputError
from ferbench.external.opening import Form, open_data
from ferbench.files import md5_file

_CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # FER2013's
_USAGE = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


def read(path: Path, form: Form | None = None) -> tuple[str | None, Reading]:
    with open_data(path, form) as opened:
        assert all((opened.root / one.path).is_file() for one in opened.reading.records)
        return opened.source, opened.reading


def labels(reading: Reading) -> Counter[tuple[str, str | None]]:
    return Counter((one.emotion, one.source_split) for one in reading.records)


def rows_of(root: Path) -> list[dict[str, str]]:
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def wanted(clean: Path) -> Counter[tuple[str, str]]:
    return Counter((row["emotion"], row["source_split"]) for row in rows_of(clean))


@pytest.fixture(scope="session")
def split_folders(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folders")
    for row in rows_of(clean):
        target = root / "inner" / row["source_split"] / row["emotion"] / row["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clean / "images" / row["file"], target)
    return root


def test_folder_with_a_list_is_read_with_persons_and_splits(clean, wanted):
    source, reading = read(clean)
    assert source is None
    assert labels(reading) == wanted
    assert {one.person for one in reading.records} == {row["person"] for row in rows_of(clean)}


def test_list_itself_may_be_given(clean, wanted):
    assert labels(read(clean / "labels.csv")[1]) == wanted


def test_split_folders_are_read(split_folders, wanted):
    source, reading = read(split_folders)
    assert source == "folder"
    assert labels(reading) == wanted


def test_folder_per_class_has_no_splits(split_folders):
    _, reading = read(split_folders / "inner" / "train")
    assert {one.source_split for one in reading.records} == {None}


def test_persons_of_file_names_are_read_on_request(split_folders):
    _, reading = read(split_folders, Form(person_pattern=r"^(p\d+)_"))
    assert {one.person for one in reading.records} == {f"p{n:03d}" for n in range(10)}


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_archive_is_read_like_its_folder_and_leaves_nothing_behind(
    split_folders, wanted, suffix, tmp_path, monkeypatch
):
    archive = tmp_path / f"faces.{suffix}"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    files = [path for path in sorted(split_folders.rglob("*")) if path.is_file()]
    if suffix == "zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            for path in files:
                zipped.write(path, path.relative_to(split_folders))
    else:
        with tarfile.open(archive, "w:gz") as packed:
            for path in files:
                packed.add(path, str(path.relative_to(split_folders)))
    digest = md5_file(archive)
    assert labels(read(archive)[1]) == wanted
    assert list(scratch.iterdir()) == []
    assert md5_file(archive) == digest


def test_yolo_export_is_read(clean, wanted, tmp_path):
    names = sorted({row["emotion"] for row in rows_of(clean)})
    (tmp_path / "data.yaml").write_text(f"names: {json.dumps(names)}\n")
    folder = {"train": "train", "val": "valid", "test": "test"}
    for row in rows_of(clean):
        part = tmp_path / folder[row["source_split"]]
        for kind in ("images", "labels"):
            (part / kind).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clean / "images" / row["file"], part / "images" / row["file"])
        label = (part / "labels" / row["file"]).with_suffix(".txt")
        label.write_text(f"{names.index(row['emotion'])} 0.5 0.5 1 1\n")
    source, reading = read(tmp_path)
    assert source == "yolo_export"
    assert labels(reading) == wanted


@pytest.mark.parametrize("as_folder", [False, True])
def test_table_of_pixels_is_read_and_stays_as_it_is(clean, wanted, as_folder, tmp_path):
    table = tmp_path / "fer2013.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for row in rows_of(clean):
            pixels = cv2.imread(str(clean / "images" / row["file"]), cv2.IMREAD_GRAYSCALE)
            text = " ".join(map(str, pixels.ravel()))
            writer.writerow([_CODES.index(row["emotion"]), text, _USAGE[row["source_split"]]])
    digest = md5_file(table)
    source, reading = read(tmp_path if as_folder else table)
    assert source == "fer2013"
    assert labels(reading) == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["fer2013.csv"]
    assert md5_file(table) == digest


def test_names_of_files_tell_ckplus_and_fer2013(tmp_path):
    image = np.zeros((48, 48), np.uint8)
    for path in ("ck/happy/S005_001_00000011.png", "fer/train/happy/Training_1.png"):
        (tmp_path / path).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / path), image)
    source, reading = read(tmp_path / "ck")
    assert (source, reading.records[0].person) == ("ckplus", "S005")
    assert read(tmp_path / "fer")[0] == "fer2013"
    assert read(tmp_path / "ck", Form(source="folder"))[0] == "folder"


def test_class_words_of_ones_own_are_renamed_or_refused_with_the_option(tmp_path):
    for word in ("grin", "sad"):
        (tmp_path / word).mkdir()
        cv2.imwrite(str(tmp_path / word / "1.png"), np.zeros((48, 48), np.uint8))
    with pytest.raises(InputError, match=r"unknown class 'grin'(.|\n)*--rename WORD=EMOTION"):
        read(tmp_path)
    renamed = labels(read(tmp_path, Form(rename={"grin": "happiness"}))[1])
    assert renamed == {("happiness", None): 1, ("sadness", None): 1}


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read(tmp_path / "absent")
    (tmp_path / "a.csv").write_text("name,age\nA,3\n")
    with pytest.raises(InputError, match=r"columns are age, name(.|\n)*`path` and `label`"):
        read(tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match="neither a folder nor a CSV file nor a zip or tar"):
        read(tmp_path / "a.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no class folders"):
        read(tmp_path / "empty")


def test_hostile_archive_is_refused_and_leaves_nothing_outside(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("../../evil.png", b"x")
    with pytest.raises(InputError, match=r"written outside(.|\n)*unpack it by hand"):
        read(archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip", "scratch"]
    assert list(scratch.iterdir()) == []


def test_archive_larger_than_the_disk_has_room_for_is_refused(split_folders, tmp_path, monkeypatch):
    archive = tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(split_folders.rglob("*.png")):
            zipped.write(path, path.relative_to(split_folders))
    monkeypatch.setattr("ferbench.external.opening._RESERVE", 1 << 60)
    with pytest.raises(InputError, match=r"unpacks to more than 0 bytes(.|\n)*TMPDIR"):
        read(archive)
