import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.predictions import (
    FACE_KEY,
    arrays,
    no_boxes,
    read_boxes,
    read_predictions,
    write_boxes,
    write_predictions,
)
from ferbench.errors import InputError

CLASSES = ["neutral", "anger"]


def predictions():
    rows = [
        ("b", 0, "anger", 0.25, 0.75),
        ("a", 0, "neutral", 0.9, 0.1),
        ("a", 1, "anger", 0.0, 0.0),
    ]
    return pd.DataFrame(rows, columns=["image_id", "face", "target", *CLASSES])


def boxes():
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [
        ("a", 0, 0, True, 1.0, *place, "neutral", 1.0, 1.0, 0.0),
        ("a", 0, 1, True, 1.0, *place, "anger", 1.0, 0.0, 1.0),
        ("b", 0, 0, True, 1.0, *place, "anger", 1.0, 0.0, 1.0),
        ("a", 0, 0, False, 0.8, *place, "neutral", 0.9, 0.9, 0.1),
        ("b", 0, 0, False, 0.1, *place, "anger", 0.4, 0.1, 0.4),
        ("b", 0, -1, False, 0.0, *place, "neutral", 0.3, 0.3, 0.1),
    ]
    return pd.DataFrame(rows, columns=list(no_boxes(CLASSES).columns))


def test_predictions_are_read_back_sorted_by_face(tmp_path):
    write_predictions(tmp_path / "p.parquet", predictions())
    frame = read_predictions(tmp_path / "p.parquet")
    assert frame[FACE_KEY].to_numpy().tolist() == [["a", 0], ["a", 1], ["b", 0]]
    prob, target = arrays(frame)
    assert prob.tolist() == [[0.9, 0.1], [0.0, 0.0], [0.25, 0.75]]
    assert target.tolist() == [0, 1, 1]


def test_boxes_are_read_back_annotated_first_then_by_falling_score(tmp_path):
    write_boxes(tmp_path / "b.parquet", boxes().sample(frac=1, random_state=0))
    frame = read_boxes(tmp_path / "b.parquet")
    assert list(frame["score"]) == [1.0, 1.0, 0.9, 1.0, 0.4, 0.3]


def test_classifier_has_an_empty_boxes_table_of_the_same_columns(tmp_path):
    write_boxes(tmp_path / "b.parquet", no_boxes(CLASSES))
    frame = read_boxes(tmp_path / "b.parquet")
    assert frame.empty
    assert list(frame.columns) == list(boxes().columns)
    assert frame.dtypes.equals(no_boxes(CLASSES).dtypes)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image_id", "b", "a face occurs twice"),
        ("face", -1, "a face has a negative number"),
        ("target", "fear", "none of the classes"),
        ("anger", -0.5, "negative or absent"),
        ("anger", np.nan, "negative or absent"),
        ("anger", 0.9, "sum neither to 1"),
    ],
)
def test_broken_predictions_row_is_named(tmp_path, column, value, message):
    frame = predictions()
    frame.loc[1, column] = value
    with pytest.raises(InputError, match=rf"row 1: .*{message}"):
        write_predictions(tmp_path / "p.parquet", frame)
    assert not (tmp_path / "p.parquet").exists()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", 1.5, "outside 0 to 1"),
        ("left", 0.9, "ends before it begins"),
        ("iou", np.inf, "absent or infinite"),
        ("emotion", "joy", "none of the classes"),
        ("face", -2, "no such face"),
    ],
)
def test_broken_box_is_named(tmp_path, column, value, message):
    frame = boxes()
    frame.loc[3, column] = value
    with pytest.raises(InputError, match=rf"row 3: .*{message}"):
        write_boxes(tmp_path / "b.parquet", frame)


def test_classes_out_of_order_and_absent_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="columns are"):
        write_predictions(
            tmp_path / "p.parquet", predictions()[[*FACE_KEY, "target", "anger", "neutral"]]
        )
    with pytest.raises(InputError, match="dvc repro"):
        read_predictions(tmp_path / "absent.parquet")
    with pytest.raises(InputError, match="no row"):
        write_predictions(tmp_path / "p.parquet", predictions().head(0))
