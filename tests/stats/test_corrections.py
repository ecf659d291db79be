import numpy as np
import pytest

from ferbench import plugins

PACKAGE = "ferbench.stats.corrections"


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_a_correction_never_lowers_a_p_value_and_keeps_their_order(name):
    p = np.random.default_rng(0).random(20)
    corrected = plugins.load(PACKAGE, name)(p)
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_a_test_that_was_not_made_does_not_count(name):
    correct = plugins.load(PACKAGE, name)
    with_gap = correct([0.01, float("nan"), 0.04])
    assert np.isnan(with_gap[1])
    assert with_gap[[0, 2]].tolist() == correct([0.01, 0.04]).tolist()
    assert len(correct([])) == 0


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made rising.
    corrected = plugins.load(PACKAGE, "holm")([0.01, 0.04, 0.03, 0.005])
    assert corrected.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
