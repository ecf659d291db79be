import math

import numpy as np
import pytest
from scipy import stats

from ferbench import plugins

PACKAGE = "ferbench.stats.intervals"


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_interval_covers_the_true_mean_in_95_percent(name):
    rng, draws = np.random.default_rng(3), 300
    interval = plugins.load(PACKAGE, name)
    bounds = [interval(rng.normal(size=interval.holds_from)) for _ in range(draws)]
    share = np.mean([low <= 0 <= high for _, low, high in bounds])
    assert share == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / draws))


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_one_value_has_no_interval_and_equal_values_one_of_zero_width(name):
    interval = plugins.load(PACKAGE, name)
    assert interval([0.7]).mean == 0.7
    assert math.isnan(interval([0.7]).low)
    assert math.isnan(interval([]).mean)
    assert interval([0.7, 0.7]) == (0.7, 0.7, 0.7)


def test_student_t_agrees_with_scipy():
    values = [0.61, 0.7, 0.66, 0.64]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = plugins.load(PACKAGE, "student_t")(values)
    assert interval == pytest.approx((np.mean(values), low, high))


def test_bca_agrees_with_scipy_and_is_reproducible():
    values = np.random.default_rng(0).exponential(size=60)
    interval = plugins.load(PACKAGE, "bca")(values)
    assert interval == plugins.load(PACKAGE, "bca")(values)
    reference = stats.bootstrap((values,), np.mean, n_resamples=20000, rng=1).confidence_interval
    assert interval[1:] == pytest.approx((reference.low, reference.high), abs=0.02)
    # The mean of a skewed sample: the longer half is on the side of the tail, unlike Student's.
    assert interval.high - interval.mean > interval.mean - interval.low


def test_bca_of_three_values_is_too_narrow():
    rng, bca = np.random.default_rng(3), plugins.load(PACKAGE, "bca")
    bounds = [bca(rng.normal(size=3)) for _ in range(150)]
    share = np.mean([low <= 0 <= high for _, low, high in bounds])
    assert share == pytest.approx(0.70, abs=0.15)
