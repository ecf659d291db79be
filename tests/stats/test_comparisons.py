import math

import numpy as np
import pytest
from scipy import stats

from ferbench import plugins
from ferbench.stats.comparisons.welch import welch
from ferbench.stats.effects import hedges_g

PACKAGE = "ferbench.stats.comparisons"
TESTS = plugins.names(PACKAGE)


def sample(mean, std, n, seed=0):
    """`n` values of exactly this mean and standard deviation."""
    return mean + std * stats.zscore(np.random.default_rng(seed).normal(size=n), ddof=1)


@pytest.mark.parametrize("name", TESTS)
def test_equal_samples_have_no_difference(name):
    x = sample(0.7, 0.02, 6)
    result = plugins.load(PACKAGE, name)(x, x)
    assert result.p_value == 1
    assert result.estimate == result.effect_size == 0
    assert result.low < 0 < result.high


@pytest.mark.parametrize("name", TESTS)
def test_swapping_the_samples_negates_the_effect(name):
    a, b = sample(0.7, 0.02, 6), sample(0.73, 0.03, 6, seed=1)
    there, back = plugins.load(PACKAGE, name)(a, b), plugins.load(PACKAGE, name)(b, a)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.estimate == pytest.approx(-back.estimate) == pytest.approx(0.03)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.effect_size == pytest.approx(-back.effect_size)
    assert there.statistic == pytest.approx(-back.statistic)


@pytest.mark.parametrize("name", TESTS)
def test_under_the_null_it_errs_no_more_than_it_says(name):
    rng = np.random.default_rng(7)
    run = plugins.load(PACKAGE, name)
    p = np.array([run(*rng.normal(size=(2, 5))).p_value for _ in range(2000)])
    # 0.05 and four standard errors of a share over 2,000 draws.
    assert (p <= 0.05).mean() < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 2000)
    assert (p <= 0.05).mean() > 0.025


def test_welch_agrees_with_the_formulas_written_out():
    a, b = sample(0.70, 0.02, 5), sample(0.75, 0.05, 8, seed=1)
    result = welch(a, b)
    va, vb = 0.02**2 / 5, 0.05**2 / 8
    df = (va + vb) ** 2 / (va**2 / 4 + vb**2 / 7)
    half = stats.t.ppf(0.975, df) * math.sqrt(va + vb)
    assert result.statistic == pytest.approx(0.05 / math.sqrt(va + vb))
    assert result.p_value == pytest.approx(2 * stats.t.sf(result.statistic, df))
    assert (result.low, result.high) == pytest.approx((0.05 - half, 0.05 + half))
    assert result.n == 5


def test_welch_gives_the_value_of_p0_table_3():
    # Printed: t 2.81, p 0.01. Welch from the same means and deviations: df 17.40, p 0.0119.
    result = welch(sample(76.8, 8.26, 10), sample(86.33, 6.84, 10, seed=3))
    assert result.statistic == pytest.approx(2.810, abs=5e-4)
    assert result.p_value == pytest.approx(0.0119, abs=5e-5)
    df = stats.ttest_ind_from_stats(86.33, 6.84, 10, 76.8, 8.26, 10, equal_var=False)
    assert result.p_value == pytest.approx(df.pvalue)


@pytest.mark.parametrize("n", [0, 1])
def test_welch_of_too_few_values_is_not_defined(n):
    result = welch([0.7, 0.71], [0.8][:n])
    assert math.isnan(result.p_value)
    assert math.isnan(result.low)
    assert result.n == n


def test_welch_without_any_spread_claims_nothing():
    same = welch([0.7, 0.7], [0.7, 0.7])
    assert (same.p_value, same.estimate, same.n) == (1.0, 0.0, 2)
    apart = welch([0.7, 0.7], [0.8, 0.8])
    assert math.isnan(apart.p_value)
    assert apart.estimate == pytest.approx(0.1)


def test_welch_with_spread_on_one_side_is_a_one_sample_test():
    b = [0.70, 0.72, 0.74]
    assert welch([0.7, 0.7, 0.7], b).p_value == pytest.approx(stats.ttest_1samp(b, 0.7).pvalue)


def test_hedges_g_of_a_published_example():
    # Means 103 and 100, deviations 5.5 and 4.5, n 50 each (Borenstein et al., "Introduction to
    # Meta-Analysis", 2009, chapter 4): d 0.5970, g 0.5924 with the approximate J.
    assert hedges_g(sample(100, 4.5, 50), sample(103, 5.5, 50)) == pytest.approx(0.5924, abs=2e-4)
    assert math.isnan(hedges_g(np.array([1.0]), np.array([1.0, 2.0])))
    assert math.isnan(hedges_g(np.ones(3), np.ones(3)))
