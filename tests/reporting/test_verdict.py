import dataclasses
import math
from pathlib import Path

import pytest

from ferbench.artifacts.results import read_results
from ferbench.reporting.summary import Comparison, Mean, at, summarise
from ferbench.reporting.verdict import judge

FLOORS = {"majority class": 0.3, "1-NN on raw pixels": 0.5}


def mean(variant, value, half, n=3):
    return Mean(
        "d", "p", variant, "accuracy", value, value - half, value + half, 0.01, (value,) * n
    )


def pair(a, b, estimate, p):
    return Comparison(
        "s", "d", "p", a, b, "accuracy", "welch", 3, estimate, 0.0, 0.0, 0.0, p, p, 1.0
    )


def test_variants_are_sorted_by_how_surely_they_beat_the_highest_floor():
    ranked = [mean("best", 0.8, 0.1), mean("maybe", 0.55, 0.1), mean("bad", 0.4, 0.1)]
    text = judge(ranked, FLOORS, [], 0.05).floor
    assert "naive baseline to beat is 50.0 % (1-NN on raw pixels)" in text
    assert "best is above it with the whole interval" in text
    assert "maybe is above it on average only" in text
    assert "bad is not better than the naive baseline" in text


@pytest.mark.parametrize("faces", [7, 11, 43, 246, 3549])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_a_model_that_always_predicts_the_majority_class_equals_that_baseline(
    tmp_path: Path, faces: int, seeds: int
) -> None:
    for correct in range(1, faces, max(1, faces // 25)):
        # As stage score writes it: shares to six decimals.
        rows = [
            f"s,d,p,constant,{seed},test,{metric},{value:.6f}"
            for seed in range(seeds)
            for metric, value in (("accuracy", correct / faces), ("faces", faces))
        ]
        head = "study,dataset,protocol,variant,seed,subset,metric,value"
        (tmp_path / "results.csv").write_text("\n".join([head, *rows]) + "\n")
        means = summarise(read_results(tmp_path / "results.csv"), "student_t")
        ranked = at(means, ("d", "p"), "accuracy")
        text = judge(ranked, {"majority class": correct / faces}, [], 0.05).floor
        assert "constant is not better than the naive baseline." in text, (correct, faces)
        assert "constant scores exactly as the majority class does." in text
        assert "above" not in text


def test_one_face_more_than_the_baseline_is_above_it() -> None:
    ranked = [mean("more", 101 / 246, 0.0), mean("same", 100 / 246, 0.0)]
    text = judge(ranked, {"majority class": 100 / 246}, [], 0.05).floor
    assert "more is above it with the whole interval" in text
    assert "same is not better than the naive baseline" in text


def test_a_significant_difference_of_a_falling_metric_names_the_lower_one_first() -> None:
    falling = dataclasses.replace(pair("a", "b", -0.12, 0.01), metric="ece")
    text = judge([mean("a", 0.8, 0.1)], FLOORS, [falling], 0.05).significance
    assert "b over a by 12.0 points" in text


def test_a_significant_difference_names_the_better_one_first():
    pairs = [pair("a", "b", -0.12, 0.01), pair("a", "c", 0.02, 0.4)]
    text = judge([mean("a", 0.8, 0.1)], FLOORS, pairs, 0.05).significance
    assert text.startswith("1 of 2 differences")
    assert "a over b by 12.0 points (p = 0.010)" in text


def test_without_significance_the_order_is_called_chance():
    text = judge([mean("a", 0.8, 0.1)], FLOORS, [pair("a", "b", 0.1, 0.2)], 0.05).significance
    assert "may be chance" in text


def test_what_could_not_be_tested_is_not_called_equal():
    text = judge([mean("a", 0.8, 0.1, 1)], FLOORS, [pair("a", "b", 0.1, math.nan)], 0.05)
    assert "No difference could be tested" in text.significance
    assert "from one seed" in text.lead
