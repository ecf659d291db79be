import math

import numpy as np
import pytest
from scipy import stats

from ferbench import plugins

PACKAGE = "ferbench.stats.intervals"


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_an_interval_holds_the_true_mean_as_often_as_it_says(name):
    rng = np.random.default_rng(3)
    bounds = [plugins.load(PACKAGE, name)(rng.normal(size=4)) for _ in range(2000)]
    share = np.mean([low <= 0 <= high for _, low, high in bounds])
    assert share == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_one_value_has_no_interval_and_equal_ones_no_width(name):
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
