"""Every promotion gate, from both sides."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ferbench.config.params import Promote
from ferbench.tracking.promotion import PromotionCandidate, as_rows, check_gates

LIMITS = Promote(metric="accuracy", min_gain=0.01, min_class_recall=0.2)
GOOD = PromotionCandidate(
    value=0.6,
    higher_is_better=True,
    class_recall={"anger": 0.2, "neutral": 0.9},
    correct=60,
    faces=100,
    baseline="majority_class",
    baseline_accuracy=0.4,
    person_disjoint=True,
    data_passed=True,
    champion=0.5,
    comparable=True,
)


def failed(**changes: Any) -> list[str]:
    gates = check_gates(dataclasses.replace(GOOD, **changes), LIMITS)
    return [gate.name for gate in gates if not gate.passed]


def test_a_good_candidate_passes_every_gate() -> None:
    assert failed() == []
    names = [gate.name for gate in check_gates(GOOD, LIMITS)]
    assert names == ["data", "leaks", "baseline", "recall", "gain"]


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"data_passed": False}, "data"),
        ({"person_disjoint": False}, "leaks"),
        ({"baseline_accuracy": 0.6}, "baseline"),  # as good as the baseline is not enough
        ({"baseline_accuracy": 0.7}, "baseline"),
        ({"correct": 40}, "baseline"),
        ({"class_recall": {"anger": 0.19, "neutral": 1.0}}, "recall"),
        ({"champion": 0.6}, "gain"),
        ({"champion": 0.595}, "gain"),
        ({"comparable": False}, "gain"),
        ({"champion": float("nan")}, "gain"),
        ({"champion": 0.59}, "gain"),  # exactly min_gain; 0.6 - 0.59 is above 0.01 in floats
        ({"champion": 0.5, "higher_is_better": False}, "gain"),
    ],
)
def test_one_fault_shuts_its_own_gate_alone(changes: dict[str, Any], gate: str) -> None:
    assert failed(**changes) == [gate]


@pytest.mark.parametrize(
    "changes",
    [
        {"baseline_accuracy": 0.599},
        {"correct": 41},
        {"value": 0.3, "champion": 0.4, "higher_is_better": False},
        {"class_recall": {"anger": 0.2}},
        {"champion": 0.589},
        {"champion": None},
        {"champion": None, "comparable": False},
    ],
)
def test_what_is_just_enough_passes(changes: dict[str, Any]) -> None:
    assert failed(**changes) == []


def test_reasons_name_the_numbers() -> None:
    reasons = {row["gate"]: row["reason"] for row in as_rows(check_gates(GOOD, LIMITS))}
    assert reasons["baseline"] == (
        "accuracy 0.600 on val (60 of 100 faces) against 0.400 of the naive baseline majority_class"
    )
    assert reasons["recall"] == "lowest recall is 0.200, of anger; 0.200 is asked"
    assert reasons["gain"] == (
        "accuracy improves by +0.100 on the champion's; more than +0.010 is required"
    )


@pytest.mark.parametrize("faces", [3, 7, 43, 246, 3549])
def test_baseline_gate_stops_every_candidate_that_equals_the_baseline(faces: int) -> None:
    for correct in range(faces):
        equal = {"correct": correct, "faces": faces, "baseline_accuracy": correct / faces}
        assert failed(**equal) == ["baseline"]
        assert failed(**equal | {"correct": correct + 1}) == []


def test_gain_of_a_falling_metric_is_positive_where_the_candidate_is_lower() -> None:
    lower = dataclasses.replace(GOOD, value=0.1, champion=0.3, higher_is_better=False)
    limits = dataclasses.replace(LIMITS, metric="ece")
    gate = check_gates(lower, limits)[-1]
    assert gate.passed
    assert gate.reason == "ece improves by +0.200 on the champion's; more than +0.010 is required"
