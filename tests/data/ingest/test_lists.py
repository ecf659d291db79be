"""Lists of images: columns, rows that are wrong, and paths that lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.data.ingest.lists import read_list
from ferbench.data.ingest.source import Reading
from ferbench.errors import InputError


def listed(folder: Path, *lines: str) -> Reading:
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_list(table, folder)


def test_columns_are_found_in_any_case_and_order(tmp_path):
    reading = listed(tmp_path, "Usage, Emotion ,Subject,Filename", "Training,Happy,s1,a.png")
    (one,) = reading.records
    assert (one.path, one.emotion, one.source_split) == ("a.png", "happiness", "train")
    assert (one.person, one.sequence) == ("s1", None)


def test_empty_cells_of_optional_columns_are_unknown(tmp_path):
    (one,) = listed(tmp_path, "path,label,split,person", "a.png,sad,,").records
    assert (one.source_split, one.person) == (None, None)


def test_file_that_is_listed_twice_has_two_records(tmp_path):
    records = listed(tmp_path, "path,label", "a.png,sad", "a.png,fear").records
    assert [one.path for one in records] == ["a.png", "a.png"]
    assert [one.emotion for one in records] == ["sadness", "fear"]
    assert len({one.image_id for one in records}) == 2


@pytest.mark.parametrize("path", ["../a.png", "/etc/passwd", "b/../../a.png", "..\\a.png"])
def test_path_that_leads_outside_is_a_fault_and_never_opened(tmp_path, path):
    reading = listed(tmp_path, "path,label", f"{path},sad", "a.png,sad")
    assert [one.path for one in reading.records] == ["a.png"]
    (fault,) = reading.faults
    assert fault.reason == "row 2: leads outside of the data set's folder"


def test_absolute_path_inside_the_folder_is_read(tmp_path):
    (one,) = listed(tmp_path, "path,label", f"{tmp_path}/b/a.png,sad").records
    assert one.path == "b/a.png"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png,grin,train", r"row 3: unknown class 'grin'(.|\n)*--rename"),
        ("a.png,,train", "row 3: no label"),
        (",sad,train", "row 3: no path"),
        ("a.png,sad,trian", r"row 3: unknown split 'trian'(.|\n)*did you mean 'train'"),
    ],
)
def test_wrong_row_is_named(tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        listed(tmp_path, "path,label,split", "b.png,sad,test", line)
