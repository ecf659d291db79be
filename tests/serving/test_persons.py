"""Persons of a video: followed from picture to picture, with smoothed probabilities."""

from __future__ import annotations

import math

import pytest

from ferbench.serving.persons import PersonTracker
from ferbench.serving.predictor import Face


def face(left: float, happiness: float = 0.5, size: float = 0.2) -> Face:
    probabilities = {"happiness": happiness, "anger": 1 - happiness}
    emotion = max(probabilities, key=lambda word: probabilities[word])
    return Face((left, 0.1, left + size, 0.1 + size), emotion, probabilities, 0.9)


def numbers(tracker: PersonTracker, *lefts: float, at: float) -> list[int]:
    return [seen.person for seen in tracker.update([face(left) for left in lefts], at)]


def test_moving_faces_keep_their_numbers_in_any_order() -> None:
    tracker = PersonTracker()
    assert numbers(tracker, 0.1, 0.6, at=0.0) == [0, 1]
    assert numbers(tracker, 0.63, 0.08, at=0.1) == [1, 0]
    assert numbers(tracker, 0.05, at=0.2) == [0]
    assert numbers(tracker, 0.05, 0.65, at=0.3) == [0, 1]  # back after one picture


def test_pairs_are_assigned_so_that_overlaps_are_greatest() -> None:
    """Greedily, the face at 0.07 would take 1 and leave the other one without a person."""
    tracker = PersonTracker()
    assert numbers(tracker, 0.0, 0.1, at=0.0) == [0, 1]
    assert numbers(tracker, 0.07, 0.17, at=0.1) == [0, 1]


def test_new_face_and_forgotten_person_get_new_numbers() -> None:
    tracker = PersonTracker(forget_s=1.0)
    assert numbers(tracker, 0.1, at=0.0) == [0]
    assert numbers(tracker, 0.1, 0.7, at=0.5) == [0, 1]
    assert numbers(tracker, at=1.0) == []
    assert numbers(tracker, 0.1, at=2.0) == [2]


def test_probabilities_are_an_exponential_mean_over_time() -> None:
    """By hand: after a time constant the old value has a weight of 1/e."""
    tracker = PersonTracker(smoothing_s=0.5)
    tracker.update([face(0.1, 1.0)], 0.0)
    (seen,) = tracker.update([face(0.1, 0.0)], 0.5)
    assert seen.face.probabilities["happiness"] == pytest.approx(math.exp(-1))
    assert seen.face.emotion == "anger"
    assert sum(seen.face.probabilities.values()) == pytest.approx(1)
    (seen,) = tracker.update([face(0.1, 1.0)], 0.5)  # no time has passed
    assert seen.face.probabilities["happiness"] == pytest.approx(math.exp(-1))


def test_one_odd_picture_does_not_change_a_smoothed_emotion() -> None:
    smooth, plain = PersonTracker(smoothing_s=0.5), PersonTracker(smoothing_s=0)
    emotions = {}
    for name, tracker in (("smooth", smooth), ("plain", plain)):
        values = [0.9] * 10 + [0.1] + [0.9] * 10
        seen = [tracker.update([face(0.1, v)], n / 25)[0] for n, v in enumerate(values)]
        emotions[name] = {found.face.emotion for found in seen}
    assert emotions == {"smooth": {"happiness"}, "plain": {"happiness", "anger"}}
