"""Promotion gates: what a model must pass before it gets the alias `champion`.

No gate reads a score on test. The candidate, the naive baselines and the present champion are all
compared by their scores on val.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ferbench.evaluation.selection import improvement
from ferbench.params import Promote
from ferbench.results import exceeds

__all__ = ["Candidate", "Gate", "as_rows", "check_gates"]


@dataclass(frozen=True)
class Candidate:
    """A registered model before the gates.

    Args:
        value: its metric of promotion on val.
        higher_is_better: the direction of that metric.
        class_recall: recall of each class on val.
        correct: number of faces of val that it recognises.
        faces: number of faces of val.
        baseline: name of the naive baseline with the highest accuracy on the same val.
        baseline_accuracy: its accuracy there.
        person_disjoint: whether its protocol keeps each person on one side, or the data set knows
            no persons and its authors split it.
        data_passed: whether its data set kept every promise.
        champion: the present champion's metric on val; None if there is no other champion.
        comparable: whether the champion was measured on the same images and split.
    """

    value: float
    higher_is_better: bool
    class_recall: Mapping[str, float]
    correct: int
    faces: int
    baseline: str
    baseline_accuracy: float
    person_disjoint: bool
    data_passed: bool
    champion: float | None
    comparable: bool


@dataclass(frozen=True)
class Gate:
    """The outcome of one gate."""

    name: str
    passed: bool
    reason: str


def check_gates(candidate: Candidate, limits: Promote) -> list[Gate]:
    """All gates, in a fixed order."""
    checks: list[Callable[[Candidate, Promote], Gate]] = [_data, _leaks, _baseline, _recall, _gain]
    return [check(candidate, limits) for check in checks]


def _data(candidate: Candidate, limits: Promote) -> Gate:
    del limits
    words = "kept" if candidate.data_passed else "broke"
    return Gate("data", candidate.data_passed, f"the data set {words} its promises")


def _leaks(candidate: Candidate, limits: Promote) -> Gate:
    del limits
    words = "no person is" if candidate.person_disjoint else "the same person may be"
    return Gate("leaks", candidate.person_disjoint, f"{words} on two sides of the split")


def _baseline(candidate: Candidate, limits: Promote) -> Gate:
    del limits
    accuracy = candidate.correct / candidate.faces
    reason = (
        f"accuracy {accuracy:.3f} on val ({candidate.correct} of {candidate.faces} faces) against "
        f"{candidate.baseline_accuracy:.3f} of the naive baseline {candidate.baseline}"
    )
    return Gate("baseline", exceeds(accuracy, candidate.baseline_accuracy), reason)


def _recall(candidate: Candidate, limits: Promote) -> Gate:
    worst = min(candidate.class_recall, key=lambda emotion: candidate.class_recall[emotion])
    value = candidate.class_recall[worst]
    reason = f"lowest recall is {value:.3f}, of {worst}; {limits.min_class_recall:.3f} is asked"
    return Gate("recall", value >= limits.min_class_recall, reason)


def _gain(candidate: Candidate, limits: Promote) -> Gate:
    if candidate.champion is None:
        return Gate("gain", True, "there is no other champion")
    if not candidate.comparable:
        reason = "the champion was measured on other images or another split: run it in this study"
        return Gate("gain", False, reason)
    gain = improvement(candidate.value, candidate.champion, candidate.higher_is_better)
    reason = (
        f"{limits.metric} improves by {gain:+.3f} on the champion's; more than "
        f"{limits.min_gain:+.3f} is required"
    )
    return Gate("gain", exceeds(gain, limits.min_gain), reason)


def as_rows(gates: list[Gate]) -> list[dict[str, Any]]:
    """Gates as plain rows for JSON."""
    return [{"gate": g.name, "passed": g.passed, "reason": g.reason} for g in gates]
