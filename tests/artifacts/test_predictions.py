import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.predictions import (
    arrays,
    no_boxes,
    read_boxes,
    read_predictions,
    write_boxes,
    write_predictions,
)
from ferbench.errors import InputError
from ferbench.evaluation.scoring import class_recall, sure_enough, thresholded, unit_scores

CLASSES = ["neutral", "anger"]


def predictions():
    rows = [("b", "anger", 0.25, 0.75), ("a#0", "neutral", 0.9, 0.1), ("a#1", "anger", 0.0, 0.0)]
    return pd.DataFrame(rows, columns=["image_id", "target", *CLASSES])


def boxes():
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [
        ("a", True, 0, 1.0, *place, "neutral", 1.0, 1.0, 0.0),
        ("a", True, 1, 1.0, *place, "anger", 1.0, 0.0, 1.0),
        ("b", True, 0, 1.0, *place, "anger", 1.0, 0.0, 1.0),
        ("a", False, 0, 0.8, *place, "neutral", 0.9, 0.9, 0.1),
        ("b", False, 0, 0.1, *place, "anger", 0.4, 0.1, 0.4),
        ("b", False, -1, 0.0, *place, "neutral", 0.3, 0.3, 0.1),
    ]
    return pd.DataFrame(rows, columns=list(no_boxes(CLASSES).columns))


def test_predictions_come_back_sorted_by_unit(tmp_path):
    write_predictions(tmp_path / "p.parquet", predictions())
    frame = read_predictions(tmp_path / "p.parquet")
    assert list(frame["image_id"]) == ["a#0", "a#1", "b"]
    prob, target = arrays(frame)
    assert prob.tolist() == [[0.9, 0.1], [0.0, 0.0], [0.25, 0.75]]
    assert target.tolist() == [0, 1, 1]


def test_boxes_come_back_annotated_first_then_by_falling_score(tmp_path):
    write_boxes(tmp_path / "b.parquet", boxes().sample(frac=1, random_state=0))
    frame = read_boxes(tmp_path / "b.parquet")
    assert list(frame["score"]) == [1.0, 1.0, 0.9, 1.0, 0.4, 0.3]


def test_a_classifier_has_an_empty_boxes_table_of_the_same_columns(tmp_path):
    write_boxes(tmp_path / "b.parquet", no_boxes(CLASSES))
    frame = read_boxes(tmp_path / "b.parquet")
    assert frame.empty
    assert list(frame.columns) == list(boxes().columns)
    assert frame.dtypes.equals(no_boxes(CLASSES).dtypes)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image_id", "b", "a unit occurs twice"),
        ("target", "fear", "none of the classes"),
        ("anger", -0.5, "negative or absent"),
        ("anger", np.nan, "negative or absent"),
        ("anger", 0.9, "sum neither to 1"),
    ],
)
def test_a_broken_predictions_row_is_named(tmp_path, column, value, message):
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
def test_a_broken_box_is_named(tmp_path, column, value, message):
    frame = boxes()
    frame.loc[3, column] = value
    with pytest.raises(InputError, match=rf"row 3: .*{message}"):
        write_boxes(tmp_path / "b.parquet", frame)


def test_classes_out_of_order_and_absent_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="columns are"):
        write_predictions(
            tmp_path / "p.parquet", predictions()[["image_id", "target", "anger", "neutral"]]
        )
    with pytest.raises(InputError, match="dvc repro"):
        read_predictions(tmp_path / "absent.parquet")
    with pytest.raises(InputError, match="no row"):
        write_predictions(tmp_path / "p.parquet", predictions().head(0))


def test_a_face_is_answered_by_its_own_box():
    assert unit_scores(boxes()) == {"a#0": 0.9, "b": 0.4}


def test_an_answer_below_the_threshold_is_a_miss():
    assert sure_enough(predictions(), boxes(), 0.5).tolist() == [False, True, False]
    assert sure_enough(predictions(), boxes(), 0.4).tolist() == [True, True, False]
    prob, _ = thresholded(predictions(), boxes(), 0.5)
    assert prob.tolist() == [[0.0, 0.0], [0.9, 0.1], [0.0, 0.0]]


def test_class_recall_is_the_diagonal_over_the_row():
    assert class_recall(predictions(), boxes(), None) == {"neutral": 1.0, "anger": 0.5}
    assert class_recall(predictions(), boxes(), 0.5) == {"neutral": 1.0, "anger": 0.0}
    only = predictions().query("target == 'anger'")
    assert class_recall(only, boxes(), None) == {"anger": 0.5}
