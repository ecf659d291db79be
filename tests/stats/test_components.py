"""Components of variance: against analysis of variance, and the level and coverage they give."""

import sys

import numpy as np
import pytest
from scipy import stats
from tests.stats import nulls
from tests.stats.references import cluster_variance

from ferbench.stats.components import error_of, replicate_components, variance_components
from ferbench.stats.primary import bounds_of


def test_components_of_a_balanced_table_are_those_of_a_two_way_analysis_of_variance():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(4, 12)) + rng.normal(size=(4, 1)) + rng.normal(size=12)
    found = variance_components(np.repeat(cells, 3, axis=1), np.repeat(np.arange(12), 3))
    rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    of_pairs = (rest**2).sum() / (3 * 11)
    assert found.values == pytest.approx(cells.mean(axis=1))
    assert found.v_test == pytest.approx(cells.mean(axis=0).var(ddof=1) / 12)
    assert found.v_both == pytest.approx(of_pairs / (4 * 12))
    # Expected mean squares: this sum estimates the variance of the mean without bias.
    error, df = error_of(*found)
    v_seed = cells.mean(axis=1).var(ddof=1) / 4
    total = found.v_test + v_seed - found.v_both
    assert error**2 == pytest.approx(total)
    below = found.v_test**2 / 11 + v_seed**2 / 3
    assert df == pytest.approx(total**2 / below)


def test_test_variance_is_that_of_the_faces_means():
    rng = np.random.default_rng(1)
    outcomes, clusters = rng.random((3, 40)), rng.integers(9, size=40)
    found = variance_components(outcomes, clusters)
    assert found.v_test == pytest.approx(cluster_variance(outcomes.mean(axis=0), clusters)[0])
    many = variance_components(np.stack([outcomes, outcomes**2]), clusters)
    assert many.v_both[0] == pytest.approx(found.v_both)
    assert many.v_test.shape == (2,)


def test_redrawn_splits_count_the_sampling_of_persons_once():
    outcomes = np.full((2, 6), np.nan)
    outcomes[0, :4], outcomes[1, 2:] = [1, 0, 1, 1], [1, 1, 0, 1]
    found = variance_components(outcomes, np.arange(6), redrawn=True)
    assert found.values.tolist() == [0.75, 0.75]
    whole = np.nansum((outcomes - 0.75) / 8, axis=0)
    assert found.v_test == pytest.approx((whole**2).sum() * 6 / 5)
    within = [np.nanvar(row[~np.isnan(row)], ddof=1) / 4 / 4 for row in outcomes]
    assert found.v_both == pytest.approx(sum(within))
    error, df = error_of(*found, 0.25)
    assert error**2 == pytest.approx(found.v_test)  # the seeds do not differ
    assert df == 5


def test_overlap_of_training_sets_enlarges_the_seeds_own_part():
    error, _ = error_of([0.7, 0.8], 0.001, 0.0005, 30, 0.25)
    assert error**2 == pytest.approx(0.001 + (0.0025 - 0.0005) * (1 + 2 * 0.25))


@pytest.mark.parametrize("redrawn", [False, True])
def test_components_by_resampling_agree_with_those_by_formula(redrawn):
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(60), 2)
    outcomes = (rng.random((3, 120)) < rng.random(60)[clusters]).astype(float)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=4000)[:, clusters]
    drawn = weights @ outcomes.T / weights.sum(axis=1, keepdims=True)
    exact = variance_components(outcomes, clusters, redrawn=redrawn)
    found = replicate_components(outcomes.mean(axis=1), drawn, 60, redrawn=redrawn)
    assert found.v_test == pytest.approx(exact.v_test, rel=0.08)
    assert found.v_both == pytest.approx(exact.v_both, rel=0.08)


def sample(rng, size, seeds=3, persons=30):
    """(2, size, seeds, faces) outcomes of equally good variants, correct in 76 % of the cases."""
    who = np.repeat(np.arange(persons), rng.integers(1, 6, persons))
    person = rng.normal(size=(size, 1, persons))[..., who]
    latent = 1 + person + 0.3 * rng.normal(size=(2, size, seeds, 1))
    return (latent + rng.normal(size=(2, size, seeds, len(who))) > 0).astype(float), who


def test_primary_test_keeps_its_level_and_interval_where_faces_and_seeds_both_vary():
    outcomes, who = sample(np.random.default_rng(3), 600)
    difference = variance_components(outcomes[1] - outcomes[0], who)
    error, df = error_of(*difference)
    beyond = np.abs(difference.values.mean(axis=-1)) > stats.t.ppf(0.975, df) * error
    one = variance_components(outcomes[0], who)
    low, high = bounds_of(one.values.mean(axis=-1), *error_of(*one), one.clusters)
    true = stats.norm.cdf(1 / np.sqrt(2.09))
    held = ((low <= true) & (true <= high)).mean()
    sys.stdout.write(f"primary: level {beyond.mean():.3f}, coverage {held:.3f}\n")
    least, most = nulls.limits(600)
    assert least < beyond.mean() < most
    assert least < 1 - held < most
    # An interval of either source of variance alone is too short.
    seeds_only = one.values.std(axis=-1, ddof=1) / np.sqrt(3) * stats.t.ppf(0.975, 2)
    assert (np.abs(one.values.mean(axis=-1) - true) > seeds_only).mean() > most


def test_degrees_of_freedom_are_never_fewer_than_those_of_the_seeds():
    values = 0.7 + 0.0514 * stats.zscore([0.0, 1.0, 2.0, 3.0, 5.0], ddof=1)
    error, df = error_of(values, 2.6e-4, 2.4e-4, 79, test_share=0.29)
    own = (1 + 5 * 0.29) * (0.0514**2 / 5 - 2.4e-4)
    assert error**2 == pytest.approx(2.6e-4 + own)
    assert df == 4  # by Satterthwaite alone 2.2
    assert error_of(values, 2.6e-4, 2.4e-4, 3, test_share=0.29)[1] == 2  # three clusters
