"""Verdicts on single printed values, against formulas by hand, SciPy and simulated papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ferbench.stats.single_values import (
    VERDICTS,
    exact_verdict,
    printed_test_variance,
    single_value_verdict,
    spread_verdict,
    two_sample_verdict,
)


def test_interval_is_that_of_one_new_run_on_a_new_sample() -> None:
    values, v_ours, v_paper, half_unit = [0.80, 0.82, 0.84], 1e-4, 2e-4, 0.0005
    seeds = 0.0004 * (1 + 1 / 3)  # the sample variance of the values is 0.0004
    total = seeds + v_ours + v_paper
    df = total**2 / (seeds**2 / 2 + v_ours**2 / 29)
    half = stats.t.ppf(0.975, df) * math.sqrt(total) + half_unit
    found = single_value_verdict(0.81, values, v_ours, v_paper, half_unit, clusters=30)
    assert (found.low, found.high) == pytest.approx((0.01 - half, 0.01 + half))
    assert found.verdict == "undecided"


@pytest.mark.parametrize(
    ("printed", "v_test", "verdict"),
    [
        (0.900, 1e-5, "reproduced"),
        (0.905, 1e-5, "reproduced"),
        (0.950, 1e-5, "not reproduced"),
        (0.850, 1e-5, "not reproduced"),
        (0.900, 9e-4, "undecided"),  # holds 0, but is wider than 3 points to a side
    ],
)
def test_verdict_by_interval(printed: float, v_test: float, verdict: str) -> None:
    found = single_value_verdict(printed, [0.899, 0.900, 0.901], v_test, v_test, 0.0005)
    assert found.verdict == verdict


def test_one_seed_is_undecided_and_a_missing_class_is_not_measured() -> None:
    assert single_value_verdict(0.5, [0.9], 1e-5, 1e-5, 0.0).verdict == "undecided"
    for values in ([], [math.nan, 0.9]):
        found = single_value_verdict(0.5, values, 1e-5, 1e-5, 0.0)
        assert (found.verdict, math.isnan(found.low)) == ("not measured", True)


def test_seeds_without_spread_leave_the_variance_of_the_faces() -> None:
    found = single_value_verdict(0.95, [0.96, 0.96, 0.96], 1e-4, 1e-4, 0.0, clusters=100)
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(2e-4), rel=0.02)
    assert found.verdict == "reproduced"


def test_unknown_or_no_variance_gives_no_verdict() -> None:
    assert single_value_verdict(0.2, [0.9, 0.91], math.nan, 1e-4, 0.0).verdict == "undecided"
    assert single_value_verdict(0.2, [1.0, 1.0], 0.0, 0.0, 0.0005).verdict == "undecided"


def test_rounding_and_redrawn_splits_widen_the_interval() -> None:
    def width(half_unit: float = 0.0, test_share: float = 0.0) -> float:
        found = single_value_verdict(
            0.9, [0.88, 0.9, 0.92], 1e-4, 1e-4, half_unit, test_share=test_share
        )
        return found.high - found.low

    assert width(half_unit=0.005) == pytest.approx(width() + 0.01)
    assert width(test_share=0.3) > width()


def test_two_sample_verdict_agrees_with_scipys_welch_test() -> None:
    values = [0.84, 0.80, 0.86, 0.85, 0.83]
    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    test = stats.ttest_ind_from_stats(mean, std, 5, 0.768, 0.0826, 10, equal_var=False)
    found = two_sample_verdict(0.768, 0.0826, 10, values, 0.0)
    assert test.pvalue < 0.05
    assert found.verdict == "not reproduced"
    # At the bound of the 95 % interval the test's p-value is 0.05.
    edge = stats.ttest_ind_from_stats(mean - found.low, std, 5, 0.768, 0.0826, 10, equal_var=False)
    assert edge.pvalue == pytest.approx(0.05)
    assert two_sample_verdict(0.836, 0.0684, 10, values, 0.0).verdict == "undecided"
    assert two_sample_verdict(0.836, 0.0684, 10, [], 0.0).verdict == "not measured"
    assert two_sample_verdict(0.836, 0.0684, 10, [0.83], 0.0).verdict == "undecided"


def test_printed_variance_has_our_design_effect() -> None:
    assert printed_test_variance(0.9, 196, 0.8, 0.16 / 100, 100) == pytest.approx(0.09 / 196)
    twice = printed_test_variance(0.9, 196, 0.8, 2 * 0.16 / 100, 100)
    assert twice == pytest.approx(2 * 0.09 / 196)
    assert math.isnan(printed_test_variance(0.9, 196, 0.8, math.nan, 100))
    assert math.isnan(printed_test_variance(0.9, 0, 0.8, 1e-4, 100))
    assert printed_test_variance(0.9, 196, 1.0, 0.0, 100) == pytest.approx(0.09 / 196)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_perfect_replication_is_rejected_as_seldom_with_many_seeds_as_with_few(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    spread, faces, true, papers = 0.02, 400, 0.85, 2000
    v_test = true * (1 - true) / faces
    ours = true + rng.normal(0, math.sqrt(v_test), papers)
    theirs = true + rng.normal(0, math.sqrt(v_test), papers) + rng.normal(0, spread, papers)
    rejected = sum(
        single_value_verdict(
            printed, mean + rng.normal(0, spread, seeds), v_test, v_test, 0.0, clusters=faces
        ).verdict
        == "not reproduced"
        for printed, mean in zip(theirs, ours, strict=True)
    )
    assert 0.03 < rejected / papers < 0.07


def test_verdicts_are_those_of_the_table() -> None:
    assert len(VERDICTS) == len(set(VERDICTS)) == 5


def test_spread_verdict_agrees_with_the_f_test() -> None:
    values = [0.80, 0.82, 0.84, 0.78, 0.86]
    std = float(np.std(values, ddof=1))
    # The printed deviation at which the upper tail of the F test is 2.5 %.
    edge = std / math.sqrt(stats.f.ppf(0.975, 4, 9))
    assert spread_verdict(edge * 0.99, 10, values, 0.0).verdict == "not reproduced"
    assert spread_verdict(edge * 1.01, 10, values, 0.0).verdict != "not reproduced"
    assert spread_verdict(edge, None, values, 0.0).verdict == "undecided"
    assert spread_verdict(edge, 10, [0.8], 0.0).verdict == "undecided"


def test_exact_numbers_are_compared_by_their_rounding() -> None:
    assert exact_verdict(2.5, 2.55, 0.05).verdict == "reproduced"
    assert exact_verdict(2.5, 2.56, 0.05).verdict == "not reproduced"
    assert exact_verdict(867, 867, 0.5).verdict == "reproduced"
    assert exact_verdict(math.nan, 867, 0.5).verdict == "not measured"
