import math

import numpy as np
import pytest
import scikit_posthocs
from scipy import stats
from tests.stats import nulls

from ferbench import plugins
from ferbench.stats.omnibus.rank_tests import friedman, nemenyi
from ferbench.stats.result import mean_ranks

PACKAGE = "ferbench.stats.omnibus"
TESTS = plugins.names(PACKAGE)


def scores(seed=0, blocks=10, variants=5):
    """Variants of rising quality plus noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(blocks, variants)) + 0.5 * np.arange(variants)


@pytest.mark.parametrize("name", TESTS)
def test_order_of_variants_and_blocks_has_no_effect(name):
    run, x = plugins.load(PACKAGE, name), scores()
    for other in (x[:, ::-1], x[::-1], np.exp(x)):
        assert run(other, 0.05) == pytest.approx(run(x, 0.05), nan_ok=True)


@pytest.mark.parametrize("name", TESTS)
def test_variants_that_always_tie_are_equal(name):
    result = plugins.load(PACKAGE, name)(np.full((6, 4), 0.7), 0.05)
    assert result.p_value == pytest.approx(1)
    assert result.statistic == 0


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("shape", [(1, 4), (5, 1)])
def test_one_block_or_one_variant_gives_nan(name, shape):
    assert math.isnan(plugins.load(PACKAGE, name)(np.random.default_rng(0).random(shape), 0.05)[1])


@pytest.mark.parametrize("name", TESTS)
def test_false_positive_rate_is_at_most_the_level(name):
    run = plugins.load(PACKAGE, name)

    def draw(rng):
        return rng.random((10, 3)), nulls.ALPHA

    share = nulls.false_positives(name, run, draw, 400)
    # Ranks of ten blocks take few values, so 5 % is not met exactly.
    assert 0.02 < share < nulls.limits(400)[1]


def test_friedman_agrees_with_its_formula_and_is_undefined_for_two_variants():
    x = scores()
    n, k = x.shape
    ranks = mean_ranks(x)
    chi2 = 12 * n / (k * (k + 1)) * (np.square(ranks).sum() - k * (k + 1) ** 2 / 4)
    result = friedman(x, 0.05)
    assert result.statistic == pytest.approx(chi2)
    assert result.p_value == pytest.approx(stats.chi2.sf(chi2, k - 1))
    assert math.isnan(friedman(x[:, :2], 0.05).p_value)


# Demsar 2006, table 6: ranks, on fourteen data sets, of C4.5 as it is, with m tuned, with cf tuned
# and with both.
DEMSAR = -np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)


def test_ranks_and_tests_reproduce_demsars_example():
    assert mean_ranks(DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # Demsar's 9.28 leaves ties uncorrected; SciPy divides by 1 - sum(t^3 - t) / (N (k^3 - k)).
    ties = 1 - (4**3 - 4 + 3 * (2**3 - 2)) / (14 * (4**3 - 4))
    assert friedman(DEMSAR, 0.05).statistic * ties == pytest.approx(9.28, abs=5e-3)
    assert nemenyi(DEMSAR, 0.05).critical_difference == pytest.approx(1.25, abs=5e-3)
    assert nemenyi(DEMSAR, 0.10).critical_difference == pytest.approx(1.12, abs=5e-3)


def test_critical_differences_reproduce_demsars_table_5():
    at_5 = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    at_10 = [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]
    for alpha, table in ((0.05, at_5), (0.10, at_10)):
        for k, q in zip(range(2, 11), table, strict=True):
            found = nemenyi(scores(blocks=7, variants=k), alpha).critical_difference
            assert found == pytest.approx(q * math.sqrt(k * (k + 1) / 42), abs=1.2e-3)


def test_smallest_p_of_nemenyi_agrees_with_its_critical_difference():
    for seed in range(8):
        x = scores(seed, blocks=6, variants=4)
        result = nemenyi(x, 0.05)
        pairs = scikit_posthocs.posthoc_nemenyi_friedman(x).to_numpy()
        assert result.p_value == pytest.approx(pairs.min())
        apart = np.ptp(mean_ranks(x)) > result.critical_difference
        assert apart == (result.p_value < 0.05)
