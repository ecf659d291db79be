import math

from ferbench.reporting.summary import Comparison, Mean
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
    assert "floor to beat is 50.0 % (1-NN on raw pixels)" in text
    assert "best is above it with the whole interval" in text
    assert "maybe is above it on average only" in text
    assert "bad is not above it" in text


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
