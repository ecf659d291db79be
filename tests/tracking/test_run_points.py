"""Names and steps of metrics in MLflow."""

from __future__ import annotations

import pandas as pd

from ferbench.tracking.publish import Point, run_points

COMPARED = ("accuracy",)


Altered = tuple[str, str, dict[str, float]]


def results(*altered: Altered, **subsets: dict[str, float]) -> pd.DataFrame:
    """Rows on parts of the split, and on a robustness test under a condition."""
    every = [(f"{test}_{name}", test, name, values) for test, name, values in altered]
    every += [(subset, "", "", values) for subset, values in subsets.items()]
    rows = [
        (subset, metric, value, test, condition)
        for subset, test, condition, values in every
        for metric, value in values.items()
    ]
    return pd.DataFrame(rows, columns=["subset", "metric", "value", "robustness", "condition"])


def classes(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["subset", "emotion", "metric", "value"])


def points(*altered: Altered, **subsets: dict[str, float]) -> list[Point]:
    return run_points(results(*altered, **subsets), classes(), COMPARED)


def test_val_and_test_have_every_metric() -> None:
    found = points(test={"accuracy": 0.5, "ece": 0.1}, val={"nll": 2.0})
    assert found == [Point("test/accuracy", 0.5), Point("test/ece", 0.1), Point("val/nll", 2.0)]


def test_parts_and_altered_images_have_compared_and_detection_metrics() -> None:
    numbers = {"accuracy": 0.5, "ece": 0.1, "face_detection": 0.9}
    found = points(("degraded", "medium", numbers), test_clean=numbers)
    assert {point.name for point in found} == {
        "test_clean/accuracy",
        "test_clean/face_detection",
        "test_degraded_medium/accuracy",
        "test_degraded_medium/face_detection",
    }


def test_numeric_conditions_are_the_steps_of_a_curve() -> None:
    found = points(
        ("canvas", "128", {"accuracy": 0.4}),
        ("canvas", "16", {"accuracy": 0.2}),
        ("canvas", "mean", {"accuracy": 0.3}),
    )
    assert found == [
        Point("test_canvas_mean/accuracy", 0.3),
        Point("test_canvas/accuracy", 0.2, 16),
        Point("test_canvas/accuracy", 0.4, 128),
    ]


def test_robustness_tests_with_a_common_prefix_are_distinguished() -> None:
    found = points(("canvas_far", "16", {"accuracy": 0.2}))
    assert found == [Point("test_canvas_far/accuracy", 0.2, 16)]


def test_undefined_values_and_classes_of_val_are_left_out() -> None:
    of_class = classes(
        ("test", "fear", "recall", float("nan")),
        ("test", "anger", "recall", 0.7),
        ("test", "anger", "support", 9.0),
        ("val", "anger", "recall", 0.6),
    )
    found = run_points(results(test={"auroc_macro": float("nan")}), of_class, COMPARED)
    assert found == [Point("test/recall/anger", 0.7)]
