"""The values that a test of two variants is called with."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ferbench import plugins
from ferbench.errors import InputError
from ferbench.stats.evidence import Part
from ferbench.stats.result import TestResult

__all__ = ["PairTest", "Samples", "by_seed", "load_test", "samples_of"]

_PACKAGE = "ferbench.stats.comparisons"
_FACES = "accuracy"  # the one metric that is a mean over faces
# A face's id is its image's, and `#` and a number where an image has several.
_FACE_NUMBER = r"#\d+$"


@dataclass(frozen=True)
class PairTest:
    """A file of `ferbench.stats.comparisons`.

    Args:
        run: the test.
        kind: its `INPUT`.
        power: its `POWER`.
    """

    run: Callable[..., TestResult]
    kind: str
    power: str


@dataclass(frozen=True, eq=False)
class Samples:
    """One metric of all variants on one data set, laid out for one kind of test.

    Args:
        values: (seeds or faces, variants); NaN where a variant has none.
        paired: only rows that both variants have are taken.
        groups: of the faces, for tests of faces.
        test_share: for tests of rounds.
    """

    values: pd.DataFrame
    paired: bool
    groups: pd.Series | None = None
    test_share: float | None = None

    def pairs(self, order: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Every two variants that have values, the earlier in `order` first."""
        return itertools.combinations([name for name in order if name in self.values], 2)

    def of(self, a: str, b: str) -> tuple[Any, ...]:
        """What the test of A and B is called with."""
        if not self.paired:
            return tuple(self.values[name].dropna().to_numpy() for name in (a, b))
        both = self.values[[a, b]].dropna()
        sides: tuple[Any, ...] = both[a].to_numpy(), both[b].to_numpy()
        if self.groups is not None:
            return (*sides, self.groups[both.index].to_numpy())
        return sides if self.test_share is None else (*sides, self.test_share)


def load_test(name: str) -> PairTest:
    """The test of this name and what it says of itself.

    Raises:
        InputError: there is no such test.
    """
    run = plugins.load(_PACKAGE, name)
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    return PairTest(run, module.INPUT, module.POWER)


def samples_of(part: Part, metric: str, kind: str) -> Samples | None:
    """Lay out a metric for tests of one `INPUT`; None if that has no such metric.

    Raises:
        InputError: the test needs answers or a share of test images, and there are none.
    """
    if kind in ("faces_best", "faces_mean"):
        return _of_faces(part, best=kind == "faces_best") if metric == _FACES else None
    values = by_seed(part, metric)
    if kind == "rounds":
        if part.test_share is None:
            raise _lacking(part, "split")
        return Samples(values, paired=True, test_share=part.test_share)
    if kind not in ("seeds", "pairs"):
        raise ValueError(f"no samples of kind {kind!r}")
    return Samples(values, paired=kind == "pairs")


def by_seed(part: Part, metric: str) -> pd.DataFrame:
    """(seeds, variants) of a metric by rising seed; a variant without any value has no column."""
    rows = part.results[(part.results["metric"] == metric) & part.results["value"].notna()]
    return rows.pivot(index="seed", columns="variant", values="value").sort_index()


def _of_faces(part: Part, *, best: bool) -> Samples:
    if part.answers is None:
        raise _lacking(part, "score")
    rows = part.answers[part.answers["best"]] if best else part.answers
    values = (
        rows.assign(correct=rows["correct"].astype(float))
        .groupby(["image_id", "variant"], sort=False)["correct"]
        .mean()
        .unstack("variant")
    )
    return Samples(values, paired=True, groups=_groups(part.answers))


def _groups(answers: pd.DataFrame) -> pd.Series:
    """By face, its person, or its image where the person is not known."""
    faces = answers.drop_duplicates("image_id").set_index("image_id")["person"]
    image = "image " + faces.index.to_series().str.replace(_FACE_NUMBER, "", regex=True)
    return ("person " + faces.astype("object")).where(faces.notna(), image)


def _lacking(part: Part, stage: str) -> InputError:
    return InputError(
        f"a test needs what stage `{stage}` writes of this data set",
        where="{dataset}, {protocol}".format_map(part.place),
        remedy=f"`dvc repro {stage}` makes it; or take the test out of `compare: tests`",
    )
