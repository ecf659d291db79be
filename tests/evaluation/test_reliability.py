"""Bins of confidence, by hand."""

import numpy as np
import pytest

from ferbench.evaluation.scoreboard import BINS, reliability


def test_a_bin_holds_its_upper_edge_and_the_first_one_zero():
    confidence = np.array([0.0, 8 / BINS, 8 / BINS + 1e-9, 1.0])
    prob = np.column_stack([confidence, np.zeros(4)])
    table = reliability(prob, np.zeros(4, int))
    assert table["bin"].tolist() == [0, 7, 8, 14]
    assert table["low"].tolist() == pytest.approx([0, 7 / 15, 8 / 15, 14 / 15])
    assert table["high"].tolist() == pytest.approx([1 / 15, 8 / 15, 9 / 15, 1])
    assert table["accuracy"].tolist() == [0, 1, 1, 1]  # the first is a miss


def test_confidence_and_accuracy_are_means_over_the_faces_of_a_bin():
    prob = np.array([[0.61, 0.39], [0.63, 0.37], [0.65, 0.35], [0.1, 0.9]])
    table = reliability(prob, np.array([0, 1, 0, 1])).set_index("bin")
    assert table.loc[9, ["count", "confidence", "accuracy"]].tolist() == pytest.approx(
        [3, 0.63, 2 / 3]
    )
    assert table["count"].sum() == 4
