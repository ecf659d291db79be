"""Tests of two variants, found by name, with what they declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ferbench import plugins
from ferbench.stats.result import TestResult

__all__ = ["PairTest", "load_test"]


@dataclass(frozen=True)
class PairTest:
    """A test of two variants with what it declares by `ferbench.stats.result.pair_test`."""

    run: Callable[..., TestResult]
    kind: str
    power: str


def load_test(name: str) -> PairTest:
    """The test of two variants that has this name.

    Raises:
        InputError: there is no such test.
    """
    run = plugins.load("ferbench.stats.comparisons", name)
    return PairTest(run, run.kind, run.power)
