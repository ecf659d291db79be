"""Naive baselines over the splits of a study's seeds."""

import pytest
from tests.run_records import naive_baselines

from ferbench.artifacts.baselines import baselines_of_seeds

DRAWN = {"mean": 0.55, "values": [0.5, 0.6, 0.55], "val_values": [0.4, 0.8, 0.6]}
BASELINES = naive_baselines(
    split={"majority_class": 0.3, "n_test": 90},
    val={"majority_class": 0.2, "n_val": 45},
    redraws={"majority_class": DRAWN},
)


@pytest.mark.parametrize(
    ("redrawn", "seeds", "split", "expected"),
    [
        (False, [0, 1], "test", 0.3),
        (False, [1], "val", 0.2),
        (True, [0, 1], "test", 0.55),
        (True, [1], "val", 0.8),
        (True, [1, 7], "test", 0.55),  # seed 7 was not drawn: the mean over all draws
    ],
)
def test_baselines_are_those_of_the_seeds_own_splits(redrawn, seeds, split, expected):
    found = baselines_of_seeds(BASELINES, redrawn, seeds, split)
    assert found == {"majority_class": pytest.approx(expected)}


def test_large_data_sets_have_no_redraws_and_may_have_nothing_on_val():
    large = naive_baselines(redraws=None, val=None)
    assert baselines_of_seeds(large, True, [0])["majority_class"] == 0.39
    assert baselines_of_seeds(large, True, [0], "val") == {}
