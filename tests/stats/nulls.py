"""Samples for which the null hypothesis is true, by kind of test, and false-positive rates."""

import math
import sys

import numpy as np
from scipy import stats

ALPHA = 0.05
TEST_SHARE = 0.25


def seeds(rng):
    """Five seeds per variant."""
    return tuple(rng.normal(size=(2, 5)))


def pairs(rng):
    """Twelve seeds that both variants have; their values are correlated."""
    return tuple(rng.normal(size=12) + 0.5 * rng.normal(size=(2, 12)))


def rounds(rng, number=10):
    """Rounds whose differences are correlated as Nadeau and Bengio assume."""
    correlation = TEST_SHARE / (1 + TEST_SHARE)
    shared, own = rng.normal(), rng.normal(size=number)
    difference = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    a = rng.normal(size=number)
    return a, a + difference, TEST_SHARE


def faces_mean(rng, persons=30, draws=3, faces=None):
    """Persons, each easy or hard for a variant, of one to eight faces or of `faces`."""
    number = rng.integers(1, 9, size=persons) if faces is None else faces
    groups = np.repeat(np.arange(persons), number)
    easy = rng.beta(1.0, 0.6, size=(2, persons))[:, groups]
    return (*(rng.binomial(draws, easy) / draws), groups)


def faces_best(rng, faces=300):
    """One face per person."""
    easy = rng.beta(1.0, 0.6, size=faces)
    return (*rng.binomial(1, easy, size=(2, faces)), np.arange(faces))


DRAW = {
    "seeds": seeds,
    "pairs": pairs,
    "rounds": rounds,
    "faces_mean": faces_mean,
    "faces_best": faces_best,
}


def limits(draws, alpha=ALPHA):
    """Bounds of the false-positive rate of an exact test: 99.9 % of the binomial distribution."""
    return tuple(stats.binom.ppf([0.0005, 0.9995], draws, alpha) / draws)


def false_positives(name, run, draw, draws=600, seed=7):
    """Share of draws in which `run` rejects at 5 %; `pytest -s` prints it."""
    rng = np.random.default_rng(seed)
    p = np.array([run(*draw(rng)).p_value for _ in range(draws)])
    share = float((p <= ALPHA).mean())
    low, high = limits(draws)
    line = f"{name:40} {draws:5} draws  {share:.4f}  limits {low:.4f} {high:.4f}\n"
    sys.stdout.write(line)
    assert not np.isnan(p).any()
    return share
