"""Every gate, from both sides."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ferbench.params import Promote
from ferbench.serving.gates import Candidate, as_rows, check_gates

LIMITS = Promote(metric="accuracy", min_gain=0.01, min_class_recall=0.2)
GOOD = Candidate(
    value=0.6,
    class_recall={"anger": 0.2, "neutral": 0.9},
    floor=0.4,
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
    assert names == ["data", "leaks", "floor", "recall", "gain"]


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"data_passed": False}, "data"),
        ({"person_disjoint": False}, "leaks"),
        ({"floor": 0.6}, "floor"),  # as good as no learning at all is not enough
        ({"floor": 0.7}, "floor"),
        ({"class_recall": {"anger": 0.19, "neutral": 1.0}}, "recall"),
        ({"champion": 0.6}, "gain"),
        ({"champion": 0.595}, "gain"),
        ({"comparable": False}, "gain"),
        ({"champion": float("nan")}, "gain"),
    ],
)
def test_one_fault_shuts_its_own_gate_alone(changes: dict[str, Any], gate: str) -> None:
    assert failed(**changes) == [gate]


@pytest.mark.parametrize(
    "changes",
    [
        {"floor": 0.599},
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
    assert reasons["floor"] == "accuracy 0.600 against a floor of 0.400"
    assert reasons["recall"] == "lowest recall is 0.200, of anger; 0.200 is asked"
    assert reasons["gain"] == "accuracy is +0.100 against the champion; +0.010 is asked"
