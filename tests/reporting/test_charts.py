import itertools
from math import nan

import pandas as pd
import pytest

from ferbench.reporting.charts import (
    Estimate,
    Point,
    cliques,
    confusion_chart,
    front,
    leaderboard_chart,
    pareto_chart,
    pooled,
    shares,
)
from ferbench.reporting.sections.calibration import calibration_error

ACCENT = "#0b62a8"


def counts(missed):
    rows = [
        (seed, target, word, number)
        for seed, numbers in ((0, (6, 2, missed)), (1, (4, 4, missed)))
        for target in ("neutral", "anger")
        for word, number in zip(("neutral", "anger", "none"), numbers, strict=True)
    ]
    return pd.DataFrame(rows, columns=["seed", "target", "predicted", "count"])


def test_confusion_shares_are_by_row_and_averaged_over_seeds():
    table = shares(counts(missed=2))
    assert table.loc["neutral"].tolist() == pytest.approx([0.5, 0.3, 0.2])
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])


def test_confusion_has_a_column_of_misses_only_if_there_are_any():
    assert list(shares(counts(missed=0)).columns) == ["neutral", "anger"]
    assert list(shares(counts(missed=1)).columns) == ["neutral", "anger", "none"]


def test_class_without_faces_has_an_empty_row():
    table = counts(missed=1)
    table.loc[table["target"] == "anger", "count"] = 0
    assert shares(table).loc["anger"].isna().all()
    assert "<svg" in confusion_chart("c", "t", shares(table)).svg


def test_chart_has_the_same_bytes_every_time_and_the_colours_of_the_page():
    rows = [Estimate("a", 0.8, nan, nan, (0.8,))]
    one, two = (leaderboard_chart("board", "a title", rows, {"1-NN": 0.3}) for _ in range(2))
    assert one.svg == two.svg
    assert ACCENT in one.svg
    assert ACCENT not in one.inline
    assert "var(--accent)" in one.inline
    assert 'aria-label="a title"' in one.inline


def test_many_variants_of_equal_size_and_score_are_drawn():
    rows = [Estimate(f"v{i}", 0.5, 0.4, 0.6, (0.4, 0.6)) for i in range(30)]
    points = [Point(row.name, 1.0, row.value) for row in rows]
    assert "v29" in pareto_chart("cost", "t", points, "millions").svg
    assert "v29" in leaderboard_chart("board", "t", rows, {"1-NN": 0.5}).svg


def test_bins_of_several_seeds_are_weighted_by_faces() -> None:
    bins = pd.DataFrame(
        {
            "seed": [0, 1, 1],
            "bin": [3, 3, 9],
            "low": [0.2, 0.2, 0.6],
            "high": [0.27, 0.27, 0.67],
            "count": [1, 3, 2],
            "confidence": [0.21, 0.25, 0.65],
            "accuracy": [1.0, 0.0, 0.5],
        }
    )
    table = pooled(bins).set_index("bin")
    assert table.loc[3, "accuracy"] == pytest.approx(0.25)
    assert table.loc[3, "confidence"] == pytest.approx(0.24)
    assert table.loc[3, "count"] == 4
    # Seed 0: 0.79; seed 1: 3/5 * 0.25 + 2/5 * 0.15 = 0.21.
    assert calibration_error(bins) == pytest.approx((0.79 + 0.21) / 2)


def test_rank_bars_join_variants_within_the_critical_difference() -> None:
    ranks = [1.0, 1.5, 2.4, 4.0, 4.2]
    found = cliques(ranks, 1.0)
    assert found == [(0, 1), (1, 2), (3, 4)]
    # By definition: every pair within a bar is near, and every near pair is within one.
    for i, j in itertools.combinations(range(len(ranks)), 2):
        joined = any(first <= i and j <= last for first, last in found)
        assert joined == (ranks[j] - ranks[i] < 1.0)


def test_points_of_the_pareto_front_are_not_dominated() -> None:
    points = [Point(f"v{i}", (7 * i) % 10, (3 * i) % 10) for i in range(10)]
    ahead = front(points)
    for point in points:
        beaten = any(
            other.cost <= point.cost and other.score >= point.score and other[1:] != point[1:]
            for other in points
        )
        assert (point in ahead) != beaten
