"""The rule of selection, against cases by hand and against a sort of random candidates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferbench.errors import InputError
from ferbench.evaluation.selection import Candidate, best_index, improvement

NAN = float("nan")


@pytest.mark.parametrize(("higher", "expected"), [(True, 1), (False, 2)])
def test_best_index_follows_the_direction_of_the_metric(higher: bool, expected: int) -> None:
    candidates = [Candidate(0.5, 0.0), Candidate(0.9, 9.0), Candidate(0.1, 9.0)]
    assert best_index(candidates, higher) == expected


@pytest.mark.parametrize("higher", [True, False])
def test_best_index_breaks_ties_of_the_metric_by_the_lower_loss(higher: bool) -> None:
    candidates = [Candidate(0.5, 1.0), Candidate(0.5, 0.8), Candidate(0.5, 0.9)]
    assert best_index(candidates, higher) == 1


@pytest.mark.parametrize("higher", [True, False])
def test_best_index_breaks_full_ties_by_the_lower_index(higher: bool) -> None:
    assert best_index([Candidate(0.5, 1.0)] * 3, higher) == 0
    assert best_index([Candidate(0.5)] * 3, higher) == 0


@pytest.mark.parametrize("higher", [True, False])
def test_best_index_never_selects_a_value_that_is_nan(higher: bool) -> None:
    candidates = [Candidate(NAN, 0.0), Candidate(0.5, 9.0), Candidate(NAN, 0.0)]
    assert best_index(candidates, higher) == 1


def test_best_index_takes_a_loss_that_is_nan_for_the_worst_loss() -> None:
    assert best_index([Candidate(0.5, NAN), Candidate(0.5, 7.0)], higher_is_better=True) == 1
    assert best_index([Candidate(0.5, NAN), Candidate(0.5)], higher_is_better=True) == 0


@pytest.mark.parametrize("candidates", [[], [Candidate(NAN, 0.1)] * 2])
def test_best_index_without_any_value_is_refused(candidates: list[Candidate]) -> None:
    with pytest.raises(InputError, match="value of the selection metric on val"):
        best_index(candidates, higher_is_better=True)


@pytest.mark.parametrize("higher", [True, False])
def test_best_index_agrees_with_numpys_lexsort(higher: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values, losses = rng.integers(0, 3, 12) / 4, rng.integers(0, 3, 12) / 4
        candidates = [Candidate(*pair) for pair in zip(values, losses, strict=True)]
        order = np.lexsort((np.arange(12), losses, -values if higher else values))
        assert best_index(candidates, higher) == order[0]


def test_improvement_is_positive_where_the_value_is_better() -> None:
    assert improvement(0.6, 0.5, higher_is_better=True) == pytest.approx(0.1)
    assert improvement(0.6, 0.5, higher_is_better=False) == pytest.approx(-0.1)
    assert math.isnan(improvement(0.6, NAN, higher_is_better=True))
