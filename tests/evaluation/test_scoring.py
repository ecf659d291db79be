"""Scores of one network on one subset: thresholds, class recall, what a metric declares."""

import numpy as np
import pytest
from tests.artifacts.test_predictions import boxes, predictions

from ferbench.artifacts.predictions import no_boxes
from ferbench.evaluation.scoring import (
    Metric,
    Predictions,
    class_recall,
    face_scores,
    higher_is_better,
    metric_info,
    score_predictions,
)


def scored(threshold, table=None):
    return Predictions(predictions() if table is None else table, boxes(), threshold)


def test_face_gets_the_score_of_its_own_box():
    assert face_scores(boxes()).to_dict() == {("a", 0): 0.9, ("b", 0): 0.4}


def test_face_whose_box_scores_below_the_threshold_is_a_miss():
    assert scored(0.5).thresholded.tolist() == [[0.0, 0.0], [0.9, 0.1], [0.0, 0.0]]
    assert scored(0.4).thresholded.tolist() == predictions()[["neutral", "anger"]].values.tolist()
    assert scored(0.5).prob.tolist() == scored(0.4).thresholded.tolist()


def test_class_recall_is_the_diagonal_over_the_row():
    assert class_recall(scored(None)) == {"neutral": 1.0, "anger": 0.5}
    assert class_recall(scored(0.5)) == {"neutral": 1.0, "anger": 0.0}
    only = predictions().query("target == 'anger'")
    assert class_recall(scored(None, only)) == {"anger": 0.5}


def test_metric_may_declare_a_threshold_of_its_own():
    values = score_predictions(scored(0.5), ["accuracy", "accuracy_025", "coverage", "map50"])
    assert values["accuracy"] == pytest.approx(1 / 3)
    assert values["accuracy_025"] == values["accuracy_any"] == pytest.approx(2 / 3)
    assert values["coverage"] == pytest.approx(1 / 3)
    assert values["faces"] == 3


def test_classifier_has_no_metric_of_boxes():
    table = predictions().assign(neutral=0.5, anger=0.5)
    found = score_predictions(Predictions(table, no_boxes(["neutral", "anger"]), None), ["map50"])
    assert list(found) == ["accuracy_any", "faces"]
    assert np.isclose(found["accuracy_any"], 1 / 3)


def test_number_that_is_no_metric_has_the_defaults():
    assert metric_info("accuracy_any") == Metric()
    assert higher_is_better("faces") and not higher_is_better("ece")
    assert metric_info("brier").bounds == (0.0, 2.0)
