import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from ferbench import plugins

PACKAGE = "ferbench.stats.corrections"


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_corrected_p_values_are_not_smaller_and_keep_their_order(name):
    p = np.random.default_rng(0).random(20)
    corrected = plugins.load(PACKAGE, name)(p)
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_nan_does_not_count_as_a_test(name):
    correct = plugins.load(PACKAGE, name)
    with_gap = correct([0.01, float("nan"), 0.04])
    assert np.isnan(with_gap[1])
    assert with_gap[[0, 2]].tolist() == correct([0.01, 0.04]).tolist()
    assert len(correct([])) == 0


def test_holm_agrees_with_hand_calculation():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made monotone.
    corrected = plugins.load(PACKAGE, "holm")([0.01, 0.04, 0.03, 0.005])
    assert corrected.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("count", [1, 2, 30])
def test_holm_is_the_correction_of_statsmodels(count):
    rng = np.random.default_rng(count)
    p = np.round(rng.random(count) ** 4, 3)  # with ties
    expected = multipletests(p, method="holm")[1]
    assert plugins.load(PACKAGE, "holm")(p).tolist() == expected.tolist()
