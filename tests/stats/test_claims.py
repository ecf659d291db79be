"""Verdicts on claims against rules computed by hand and by SciPy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ferbench.config.claims import Claim
from ferbench.stats.claims import (
    DIRECTIONS,
    SIZES,
    Sources,
    above,
    decided_by,
    direction,
    needed,
    predicted_gain,
    size,
)
from ferbench.stats.components import variance_components
from ferbench.stats.primary import primary_interval

CLAIM = Claim(
    id="c",
    paper="p1",
    tables=("T1",),
    sentence="A is better",
    dataset="ckplus",
    metric="accuracy",
    a="ivsa",
    b="vgg_improved",
    gain=0.02,
)


def estimate(values, v_test=0.0001, clusters=50, faces=200, share=None):
    return primary_interval(values, v_test, clusters, faces=faces, test_share=share)


CLEAR = estimate([0.050, 0.060, 0.055, 0.052], v_test=1e-5)
NOTHING = estimate([0.001, -0.001, 0.0005, 0.0002, -0.0004], v_test=1e-6)
VAGUE = estimate([0.03, -0.02, 0.04, 0.01], v_test=0.0004)
ONE = estimate([0.05])


def test_direction_is_the_printed_one_the_other_or_none():
    assert direction(CLEAR, 1) == "confirmed"
    assert direction(CLEAR, -1) == "contradicted"
    assert direction(NOTHING, 1) == "no difference"
    assert direction(VAGUE, 1) == "undecided"
    assert direction(ONE, 1) == "undecided, one seed"


def test_confirmation_goes_by_the_corrected_p():
    assert CLEAR.p_value < 0.05
    assert direction(CLEAR, 1, p_corrected=0.06) == "undecided"
    assert direction(CLEAR, 1, p_corrected=0.05) == "confirmed"


def test_no_difference_is_two_one_sided_tests_at_five_per_cent():
    found = estimate([0.004, 0.002, -0.001, 0.003], v_test=4e-6, clusters=30)
    p_low = stats.t.sf((found.estimate + 0.01) / found.error, found.df)
    p_high = stats.t.cdf((found.estimate - 0.01) / found.error, found.df)
    assert max(p_low, p_high) < 0.05
    assert direction(found, 1, p_corrected=1.0) == "no difference"
    # The margin at which the larger of the two p-values is 5 %.
    limit = abs(found.estimate) + stats.t.ppf(0.95, found.df) * found.error
    assert direction(found, 1, limit * 1.001, p_corrected=1.0) == "no difference"
    assert direction(found, 1, limit * 0.999, p_corrected=1.0) == "undecided"


def test_seeds_that_agree_without_any_variance_still_have_a_verdict():
    agreed = estimate([0.03, 0.03, 0.03], v_test=0.0)
    assert math.isnan(agreed.p_value)
    assert direction(agreed, 1) == "confirmed"
    assert direction(estimate([0.0, 0.0], v_test=0.0), 1) == "no difference"


def test_predicted_gain_is_that_of_one_new_pair_on_the_papers_test_part():
    found = estimate([0.03, 0.01, 0.02, 0.04], v_test=0.0001, clusters=50, faces=200)
    claim = replace(CLAIM, test_images=100, decimals=1)
    seeds, faces = found.spread**2 * (1 + 1 / 4), 0.0001 + 0.0001 * 200 / 100
    df = (seeds + faces) ** 2 / (seeds**2 / 3 + faces**2 / 49)
    reach = stats.t.ppf(0.975, df) * math.sqrt(seeds + faces) + 0.001
    assert predicted_gain(found, claim) == pytest.approx((0.025 - reach, 0.025 + reach))
    narrow = stats.t.ppf(0.975, 3) * math.sqrt(seeds) + 0.001
    own = predicted_gain(found, claim, own_images=True)
    assert own == pytest.approx((0.025 - narrow, 0.025 + narrow))


def test_printed_deviations_and_runs_take_the_place_of_our_spread():
    found = estimate([0.03, 0.01, 0.02, 0.04], v_test=0.0, clusters=50)
    claim = replace(CLAIM, n=10, sd=(0.03, 0.04))
    theirs, ours = (0.03**2 + 0.04**2) / 10, found.spread**2 / 4
    df = (theirs + ours) ** 2 / (ours**2 / 3 + theirs**2 / 18)
    reach = stats.t.ppf(0.975, df) * math.sqrt(theirs + ours) + 0.0001
    assert predicted_gain(found, claim) == pytest.approx((0.025 - reach, 0.025 + reach))
    ten = predicted_gain(found, replace(CLAIM, n=10))
    reach = stats.t.ppf(0.975, 3) * found.spread * math.sqrt(1 / 4 + 1 / 10) + 0.0001
    assert ten == pytest.approx((0.025 - reach, 0.025 + reach))


def test_prediction_interval_holds_a_faithful_papers_gain_in_19_of_20_cases():
    """New seeds and new clusters of faces, the paper's test part half of ours."""
    rng, hits, runs = np.random.default_rng(0), 0, 2000
    spread, of_cluster, clusters = 0.01, 0.1, 40
    for _ in range(runs):
        seeds = rng.normal(0.02, spread, 5)
        faces = rng.normal(0, of_cluster, clusters)
        ours = estimate(seeds + faces.mean(), faces.var(ddof=1) / clusters, clusters, clusters)
        printed = rng.normal(0.02, spread) + rng.normal(0, of_cluster, clusters // 2).mean()
        claim = replace(CLAIM, gain=float(printed), decimals=6, test_images=clusters // 2)
        hits += size(ours, claim) == "compatible"
    assert 0.93 < hits / runs < 0.975


def _two_way(rng, n, clusters, redrawn):
    """An estimate from outcomes with parts of seeds, of clusters and of pairs of both.

    With redrawn splits every seed has clusters of its own.
    """
    seed, cluster, pair = 0.01, 0.05, 0.08
    values = 0.02 + rng.normal(0, seed, (n, 1)) + rng.normal(0, pair, (n, clusters))
    if redrawn:
        values += rng.normal(0, cluster, (n, clusters))
        wide = np.full((n, n * clusters), np.nan)
        for i, row in enumerate(values):
            wide[i, i * clusters : (i + 1) * clusters] = row
        values = wide
    else:
        values += rng.normal(0, cluster, clusters)
    found = variance_components(values, np.arange(values.shape[1]), redrawn=redrawn)
    share = 1e-6 if redrawn else None  # new trainings and test parts, without overlap
    return primary_interval(
        found.values,
        float(found.v_test),
        int(found.clusters),
        v_both=float(found.v_both),
        faces=clusters,
        test_share=share,
    )


@pytest.mark.thorough
@pytest.mark.parametrize("redrawn", [False, True])
def test_prediction_interval_counts_what_seeds_and_faces_share_once(redrawn):
    rng, hits, widths, runs, clusters = np.random.default_rng(1), 0, [], 1500, 40
    for _ in range(runs):
        ours = _two_way(rng, 5, clusters, redrawn)
        printed = rng.normal(0.02, 0.01)
        printed += rng.normal(0, math.hypot(0.05, 0.08), clusters // 2).mean()
        claim = replace(CLAIM, gain=float(printed), decimals=6, test_images=clusters // 2)
        hits += size(ours, claim) == "compatible"
        widths.append(np.subtract(*predicted_gain(ours, claim)[::-1]))
    assert 0.93 < hits / runs < 0.985
    truth = math.sqrt(0.01**2 * 1.2 + 0.05**2 * 3 / clusters + 0.08**2 * 2.2 / clusters)
    if redrawn:
        truth = math.sqrt(0.01**2 * 1.2 + (0.05**2 + 0.08**2) * 2.2 / clusters)
    assert np.median(widths) < 1.35 * 2 * 1.96 * truth


@pytest.mark.parametrize("redrawn", [False, True])
def test_plan_of_the_study_as_it_is_has_its_error(redrawn):
    found = _two_way(np.random.default_rng(2), 5, 40, redrawn)
    assert sum(Sources.of(found).plan(found.seeds, 1.0)) == pytest.approx(found.error**2)


def test_pairs_of_seeds_and_faces_shrink_with_either():
    found = _two_way(np.random.default_rng(3), 5, 40, redrawn=False)
    parts = Sources.of(found)
    assert parts.both > 0
    more_seeds, more_faces = sum(parts.plan(50, 1)), sum(parts.plan(5, 10))
    assert more_seeds == pytest.approx((parts.seed + parts.both) / 50 + parts.test)
    assert more_faces == pytest.approx((parts.seed + parts.both / 10) / 5 + parts.test / 10)


def test_size_is_relative_to_the_printed_direction():
    assert size(CLEAR, replace(CLAIM, gain=0.055)) == "compatible"
    assert size(CLEAR, replace(CLAIM, gain=0.5)) == "smaller"
    assert size(CLEAR, replace(CLAIM, gain=0.001)) == "larger"
    assert size(CLEAR, replace(CLAIM, gain=-0.5)) == "smaller"
    loss = estimate([-0.050, -0.060, -0.055, -0.052], v_test=1e-5)
    assert size(loss, replace(CLAIM, gain=-0.5)) == "smaller"
    assert size(loss, replace(CLAIM, gain=-0.001)) == "larger"
    assert size(CLEAR, replace(CLAIM, gain=None)) == "not printed"
    assert size(ONE, CLAIM) == "undecided, one seed"


def test_rounding_of_both_printed_numbers_widens_the_interval():
    fine = predicted_gain(CLEAR, replace(CLAIM, decimals=2))
    coarse = predicted_gain(CLEAR, replace(CLAIM, decimals=0))
    assert fine[0] - coarse[0] == pytest.approx(0.01 - 0.0001)


def _with_seeds(values, n, v_test, clusters):
    """An estimate with the mean and spread of other values, of n seeds."""
    x = np.asarray(values)
    z = np.linspace(-1, 1, n)
    z = (z - z.mean()) / z.std(ddof=1)
    return estimate(x.mean() + x.std(ddof=1) * z, v_test, clusters)


def test_needed_seeds_are_the_fewest_that_decide():
    values = [0.03, -0.01, 0.04, 0.0]
    found = estimate(values, v_test=1e-6, clusters=100)
    assert direction(found, 1) == "undecided"
    text = needed(found)
    count = int(text.removeprefix("about ").removesuffix(" seeds"))
    assert direction(_with_seeds(values, count, 1e-6, 100), 1) == "confirmed"
    assert direction(_with_seeds(values, count - 1, 1e-6, 100), 1) == "undecided"
    stricter = needed(found, alpha=0.005)
    assert int(stricter.split()[1]) > count


def test_where_no_number_of_seeds_helps_faces_and_persons_are_named():
    found = estimate([0.030, 0.028, 0.032], v_test=0.0009, clusters=12, faces=120)
    text = needed(replace(found, cluster="person"))
    assert text.startswith("no number of seeds: at least ")
    faces, persons = (int(word) for word in text.split() if word.isdigit())
    assert faces > 120
    assert persons == pytest.approx(faces / 10, abs=1)
    # With seeds without end, the faces alone leave an interval that just excludes 0.
    error = math.sqrt(0.0009 * 120 / faces)
    assert 0.030 / error == pytest.approx(stats.t.ppf(0.975, persons - 1), rel=0.02)
    assert "persons" not in needed(replace(found, cluster="image"))


def test_redrawn_splits_leave_a_variance_that_no_seed_removes():
    found = estimate([0.02, -0.02, 0.03, 0.0], v_test=1e-6, share=2 / 7)
    assert needed(found).startswith("another or a larger data set")


def test_what_decided_is_said():
    assert decided_by("undecided, one seed", ONE) == "at least 2 seeds"
    assert needed(ONE) == "at least 2 seeds"
    assert decided_by("no difference", NOTHING) == "90 % interval within \u00b11 point"
    assert decided_by("confirmed", CLEAR, tests=3) == "p at most 0.05 after correction for 3 claims"
    assert decided_by("undecided", VAGUE) == needed(VAGUE)


def test_a_score_above_a_threshold_is_tested_as_a_difference():
    score = estimate([0.97, 0.98, 0.975], v_test=1e-6)
    found = above(score, 0.94)
    assert (found.estimate, found.low) == pytest.approx((0.035, score.low - 0.94))
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.035 / score.error, score.df))
    assert direction(found, 1) == "confirmed"
    assert direction(above(score, 0.999), 1) == "contradicted"
    assert direction(above(ONE, 0.94), 1) == "undecided, one seed"


def test_unknown_test_variance_is_left_out():
    found = estimate([0.03, 0.01, 0.02], v_test=math.nan, clusters=0, faces=0)
    reach = stats.t.ppf(0.975, 2) * found.spread * math.sqrt(4 / 3) + 0.0001
    assert predicted_gain(found, CLAIM) == pytest.approx((0.02 - reach, 0.02 + reach))
    assert needed(found).startswith("about")


def test_every_verdict_is_a_listed_one():
    for found in (CLEAR, NOTHING, VAGUE, ONE):
        for sign in (1, -1):
            assert direction(found, sign) in DIRECTIONS
        assert size(found, CLAIM) in SIZES
