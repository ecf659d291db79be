import math

import numpy as np
import pytest
from scipy import stats

from ferbench.stats.effects import cohens_d_z, cohens_g, hedges_g, rank_biserial


def test_hedges_g_reproduces_a_published_example():
    # Means 103 and 100, deviations 5.5 and 4.5, n 50 each (Borenstein et al., "Introduction to
    # Meta-Analysis", 2009, chapter 4): d 0.5970, g 0.5924 with the approximate J.
    fifty = stats.zscore(np.random.default_rng(0).normal(size=50), ddof=1)
    assert hedges_g(100 + 4.5 * fifty, 103 + 5.5 * fifty) == pytest.approx(0.5924, abs=2e-4)
    assert math.isnan(hedges_g(np.array([1.0]), np.array([1.0, 2.0])))
    assert math.isnan(hedges_g(np.ones(3), np.ones(3)))


def test_d_z_is_the_paired_t_over_the_root_of_n():
    d = np.random.default_rng(1).normal(0.3, 1, size=12)
    assert cohens_d_z(d) == pytest.approx(stats.ttest_1samp(d, 0).statistic / math.sqrt(12))
    assert math.isnan(cohens_d_z(np.ones(3)))
    assert math.isnan(cohens_d_z(np.ones(1)))


def test_rank_biserial_is_the_mean_sign_of_walsh_averages():
    d = np.random.default_rng(2).normal(0.3, 1, size=15)
    i, j = np.triu_indices(15)
    assert rank_biserial(d) == pytest.approx(np.sign(d[i] + d[j]).mean())
    assert rank_biserial(np.array([1.0, 2.0, 0.0])) == 1
    assert rank_biserial(np.zeros(3)) == 0


def test_cohens_g_is_a_function_of_mcnemars_odds_ratio():
    g = cohens_g(8, 24)
    assert (0.5 + g) / (0.5 - g) == pytest.approx(24 / 8)
    assert cohens_g(0, 5) == 0.5
    assert cohens_g(0, 0) == 0
