import pandas as pd
import pytest

from ferbench.reporting.cost import Point, pareto_chart
from ferbench.reporting.drawing import ACCENT
from ferbench.reporting.figures import leaderboard_chart
from ferbench.reporting.panels import confusion_chart, shares
from ferbench.reporting.summary import Mean


def counts(missed):
    rows = [
        (seed, target, word, number)
        for seed, numbers in ((0, (6, 2, missed)), (1, (4, 4, missed)))
        for target in ("neutral", "anger")
        for word, number in zip(("neutral", "anger", "none"), numbers, strict=True)
    ]
    return pd.DataFrame(rows, columns=["seed", "target", "predicted", "count"])


def test_shares_are_of_the_row_and_the_mean_of_seeds():
    table = shares(counts(missed=2))
    assert table.loc["neutral"].tolist() == pytest.approx([0.5, 0.3, 0.2])
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])


def test_the_column_of_misses_is_there_only_if_there_are_any():
    assert list(shares(counts(missed=0)).columns) == ["neutral", "anger"]
    assert list(shares(counts(missed=1)).columns) == ["neutral", "anger", "none"]


def test_a_class_without_faces_leaves_its_row_empty():
    table = counts(missed=1)
    table.loc[table["target"] == "anger", "count"] = 0
    assert shares(table).loc["anger"].isna().all()
    assert "<svg" in confusion_chart("c", "t", shares(table)).svg


def test_a_chart_is_the_same_bytes_every_time_and_follows_the_page_inside_it():
    rows = [Mean("d", "p", "a", "accuracy", 0.8, float("nan"), float("nan"), 0.0, (0.8,))]
    one, two = (leaderboard_chart("board", "a title", rows, {"floor": 0.3}) for _ in range(2))
    assert one.svg == two.svg
    assert ACCENT in one.svg
    assert ACCENT not in one.inline
    assert "var(--accent)" in one.inline
    assert 'aria-label="a title"' in one.inline


def test_many_variants_of_one_size_and_score_can_be_drawn():
    rows = [Mean("d", "p", f"v{i}", "accuracy", 0.5, 0.4, 0.6, 0.1, (0.4, 0.6)) for i in range(30)]
    points = [Point(row.variant, 1.0, row.mean) for row in rows]
    assert "v29" in pareto_chart("cost", "t", points, "millions").svg
    assert "v29" in leaderboard_chart("board", "t", rows, {"floor": 0.5}).svg
