"""Files of predictions: how images and classes are found, and what each wrong row is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tests.external.judged_data import CLASSES, TEST, TRAIN, make_truth, predictions

from ferbench.errors import InputError
from ferbench.external.predictions import JudgedFile, JudgedRun, read_predictions_of
from ferbench.external.truth import Truth


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return make_truth(tmp_path_factory.mktemp("truth"))


@pytest.fixture
def table(truth: Truth) -> pd.DataFrame:
    return predictions(truth, 6)


def read(
    table: pd.DataFrame, truth: Truth, path: Path, **how: object
) -> tuple[JudgedFile, list[JudgedRun]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return read_predictions_of(path, truth, **how)  # type: ignore[arg-type]


def image(number: int) -> str:
    return f"i{TRAIN + number:03d}"


_NAMES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "image_id": lambda t: t["image_id"],
    "md5": lambda t: t["image_id"].map(lambda name: f"{int(name[1:]):032X}"),
    "path": lambda t: "faces/" + t["target"] + "/" + t["image_id"].str[1:] + ".png",
    "Filename": lambda t: "/home/me/faces/" + t["target"] + "/" + t["image_id"].str[1:] + ".png",
    "file": lambda t: t["image_id"].str[1:] + ".png",
    "image": lambda t: t["target"] + "\\" + t["image_id"].str[1:] + ".png",
}


@pytest.mark.parametrize("column", list(_NAMES))
def test_images_are_found_by_id_digest_or_path(table, truth, column, tmp_path):
    given = table[CLASSES].assign(**{column: _NAMES[column](table)}).sample(frac=1, random_state=1)
    _, (run,) = read(given, truth, tmp_path / "a.csv")
    assert_frame_equal(run.table, table, check_dtype=False)


def test_parquet_file_and_the_pipelines_own_columns_are_read(table, truth, tmp_path):
    file, (run,) = read(table, truth, tmp_path / "a.parquet")
    assert_frame_equal(run.table, table, check_dtype=False)
    assert (file.rows, file.unused, file.missed) == (TEST, {}, 0)


def test_class_columns_may_have_the_words_of_data_sets(table, truth, tmp_path):
    words = {"happiness": "Happy", "anger": "angry", "target": "label"}
    _, (run,) = read(table.rename(columns=words), truth, tmp_path / "a.csv")
    assert_frame_equal(run.table, table, check_dtype=False)


def test_rows_that_are_not_tested_are_counted_with_the_reason(table, truth, tmp_path):
    more = table.iloc[:3].assign(image_id=["i000", "i001", "copy"], target=CLASSES[0])
    file, (run,) = read(pd.concat([table, more]), truth, tmp_path / "a.csv")
    assert file.unused == {"not in test": 2, "duplicate": 1}
    assert len(run.table) == TEST


def test_equal_rows_of_equal_files_count_once(table, truth, tmp_path):
    """Two copies of a file have one MD5; whoever predicts files has a row for each."""
    given = table.assign(md5=_NAMES["md5"](table)).drop(columns=["image_id", "target"])
    _, (run,) = read(pd.concat([given, given.iloc[:2]]), truth, tmp_path / "a.csv")
    assert len(run.table) == TEST


def change(table: pd.DataFrame, row: int, **cells: object) -> pd.DataFrame:
    changed = table.astype({name: object for name in cells})
    for name, value in cells.items():
        changed.loc[row, name] = value
    return changed


@pytest.mark.parametrize(
    ("row", "cells", "message"),
    [
        (4, {"anger": -0.1}, r"row 6: anger is '-0.1', not a number from 0 to 1(.|\n)*softmax"),
        (4, {"anger": "x"}, r"row 6: anger is 'x', not a number"),
        (4, {"anger": ""}, r"row 6: anger is '', not a number"),
        (4, {"anger": "inf"}, r"row 6: anger is 'inf', not a number"),
        (0, {"anger": 0.9, "neutral": 0.9}, r"row 2: probabilities sum to 1.9"),
        (9, {"image_id": "i999"}, r"row 11: image_id 'i999' is no image of mine"),
        (9, {"image_id": image(7)}, rf"row 11: another prediction for image {image(7)}"),
        (9, {"target": "fear"}, r"row 11: target 'fear' is none of neutral, happiness, anger"),
        (0, {"target": "anger"}, r"row 2: the label is anger, the data set's is neutral"),
        (3, {"face": "-1"}, r"row 5: face is '-1', not a whole number from 0"),
    ],
)
def test_wrong_row_is_named_with_what_is_wrong(table, truth, row, cells, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(change(table, row, **cells), truth, tmp_path / "a.csv")


def test_all_rows_with_a_fault_are_counted_and_the_first_are_listed(table, truth, tmp_path):
    given = table.assign(anger=7.0)
    message = r"row 2: .*the same holds for 59 more rows: 3, 4, 5, 6, …"
    with pytest.raises(InputError, match=message):
        read(given, truth, tmp_path / "a.csv")


def test_missing_faces_are_refused_or_misses_on_request(table, truth, tmp_path):
    given = table.iloc[2:]
    message = rf"a, seed 0: 2 of 60 test faces .*such as {image(0)}, {image(1)}(.|\n)*--missing"
    with pytest.raises(InputError, match=message):
        read(given, truth, tmp_path / "a.csv")
    file, (run,) = read(given, truth, tmp_path / "a.csv", missing=True)
    assert file.missed == 2
    assert (run.table.loc[:1, CLASSES] == 0).all(axis=None)
    assert np.isclose(run.table.loc[2:, CLASSES].sum(axis=1), 1).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"anger": "rage"}, r"no column for anger \(columns are .*rage"),
        ({"anger": "fear"}, r"no column for anger"),
        ({"image_id": "picture"}, "no column image_id, md5 or path"),
    ],
)
def test_columns_that_are_missing_are_named(table, truth, columns, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(table.rename(columns=columns), truth, tmp_path / "a.csv")


def test_columns_of_other_classes_or_twice_the_same_are_refused(table, truth, tmp_path):
    with pytest.raises(InputError, match="fear: no class of the data set"):
        read(table.assign(fear=0.0), truth, tmp_path / "a.csv")
    with pytest.raises(InputError, match="anger and angry are both anger"):
        read(table.assign(angry=0.0), truth, tmp_path / "a.csv")


def test_files_that_are_none_are_refused(truth, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_predictions_of(tmp_path / "absent.csv", truth)
    for name, content in {"a.csv": b"", "b.csv": b"\xff\xfe\x00", "c.parquet": b"PAR1"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_predictions_of(tmp_path / name, truth)
    (tmp_path / "d.csv").write_text("image_id,neutral,happiness,anger\n")
    with pytest.raises(InputError, match="no row"):
        read_predictions_of(tmp_path / "d.csv", truth)


@pytest.mark.parametrize(
    ("name", "how", "expected"),
    [
        ("resnet50.csv", {}, ("resnet50", 0)),
        ("resnet_seed3.csv", {}, ("resnet", 3)),
        ("resnet-seed-12.csv", {}, ("resnet", 12)),
        ("resnet.s4.csv", {"pattern": r"(?P<model>.+)\.s(?P<seed>\d+)"}, ("resnet", 4)),
    ],
)
def test_model_and_seed_are_those_of_the_file_name(table, truth, name, how, expected, tmp_path):
    _, (run,) = read(table, truth, tmp_path / name, **how)
    assert (run.model, run.seed) == expected


def test_columns_model_and_seed_tell_runs_apart(table, truth, tmp_path):
    both = [table.assign(model=m, seed=s) for m, s in (("a", 1), ("a", 2), ("b", 1))]
    file, runs = read(pd.concat(both), truth, tmp_path / "all.csv")
    assert file.runs == [("a", 1), ("a", 2), ("b", 1)] == [(r.model, r.seed) for r in runs]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101])
def test_model_whose_name_cannot_be_shown_is_refused(table, truth, name, tmp_path):
    with pytest.raises(InputError, match=r"row 2: (no model|the model's name)"):
        read(table.assign(model=name), truth, tmp_path / "a.csv")


@pytest.mark.parametrize("pattern", ["(", "(?P<model>.+)", "(?P<model>.)(?P<seed>.)"])
def test_pattern_without_the_two_groups_is_refused(table, truth, pattern, tmp_path):
    with pytest.raises(InputError, match="no regular expression with groups"):
        read(table, truth, tmp_path / "ab.csv", pattern=pattern)
