"""Numbers of single emotions, by hand."""

import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.predictions import no_boxes
from ferbench.evaluation.ranking import class_ap, class_auroc
from ferbench.evaluation.scoreboard import class_rows
from ferbench.evaluation.scoring import Predictions

CLASSES = ["neutral", "anger", "fear"]


def values(prob, target):
    table = pd.DataFrame(prob, columns=CLASSES)
    table.insert(0, "target", target)
    table.insert(0, "image_id", [f"{n}" for n in range(len(table))])
    rows = pd.DataFrame(class_rows(Predictions(table, no_boxes(CLASSES), None)))
    return rows.pivot_table("value", "emotion", "metric", dropna=False)


def test_precision_recall_and_f1_of_a_class():
    # neutral: answered three times, twice rightly, of two; anger: of two one found, one missed.
    prob = [[1.0, 0, 0], [0.6, 0.4, 0], [0.5, 0.3, 0.2], [0, 0.9, 0.1], [0, 0, 0]]
    table = values(prob, ["neutral", "neutral", "fear", "anger", "anger"])
    assert table["support"].to_dict() == {"neutral": 2, "anger": 2, "fear": 1}
    row = table.loc["neutral", ["precision", "recall", "f1"]]
    assert row.tolist() == pytest.approx([2 / 3, 1, 4 / 5])
    assert table.loc["anger", ["precision", "recall", "f1"]].tolist() == pytest.approx(
        [1, 1 / 2, 2 / 3]
    )
    assert table.loc["fear", ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert "ap50" not in table


def test_a_class_without_faces_has_a_support_and_nothing_else():
    table = values([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], ["neutral", "anger"])
    assert table.loc["fear", "support"] == 0
    assert table.loc["fear"].drop("support").isna().all()


def test_a_class_that_all_faces_are_of_has_no_curve():
    prob, target = np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([0, 0])
    assert np.isnan(class_auroc(prob, target)).all()
    assert class_ap(prob, target) == pytest.approx([1, np.nan], nan_ok=True)


def test_equal_probabilities_are_ranked_together():
    prob, target = np.full((4, 2), 0.5), np.array([0, 0, 0, 1])
    assert class_ap(prob, target) == pytest.approx([3 / 4, 1 / 4])
    assert class_auroc(prob, target) == pytest.approx([0.5, 0.5])


def test_a_missed_face_can_never_be_retrieved():
    # Of two faces one is ranked first, the other missed: recall ends at a half, 51 points of 101.
    prob, target = np.array([[0.9, 0.1], [0.0, 0.0], [0.2, 0.8]]), np.array([0, 0, 1])
    assert class_ap(prob, target)[0] == pytest.approx(51 / 101)
