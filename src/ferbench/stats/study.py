"""What is compared: results, answers face by face and split sizes, cut up by data set."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferbench import plugins
from ferbench.artifacts.predictions import FACE_KEY
from ferbench.artifacts.results import read_results
from ferbench.config.params import Compare, Params
from ferbench.errors import InputError
from ferbench.files import read_json, whole_file
from ferbench.stats.effects import POWER, detectable
from ferbench.stats.result import TestResult, mean_ranks

__all__ = [
    "COLUMNS",
    "OMNIBUS_COLUMNS",
    "POWER_COLUMNS",
    "RANK_COLUMNS",
    "Evidence",
    "PairTest",
    "Part",
    "Samples",
    "by_seed",
    "compare_study",
    "compare_variants",
    "detectable_differences",
    "load_test",
    "rank_variants",
    "read_evidence",
    "samples_of",
    "write_tables",
]

_PLACE = ["study", "dataset", "protocol"]


@dataclass(frozen=True, eq=False)
class Part:
    """What there is of one data set under one protocol, on test.

    Args:
        place: study, dataset, protocol.
        results: rows of `results.csv`.
        answers: rows of `faces.parquet`; None where there is no such file.
        test_share: test images over training images; None where that is not known.
    """

    place: Mapping[str, str]
    results: pd.DataFrame
    answers: pd.DataFrame | None
    test_share: float | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a study's stages left for comparisons.

    Args:
        results: rows of `results.csv`.
        answers: dataset, protocol, variant, seed, image_id, face, person, correct and best of
            `faces.parquet`; None without it.
        test_shares: test images over training images, by data set and protocol.
    """

    results: pd.DataFrame
    answers: pd.DataFrame | None
    test_shares: Mapping[tuple[str, str], float]

    def parts(self) -> Iterator[Part]:
        """Data set by data set, in the order of the results."""
        tested = self.results[self.results["subset"] == "test"]
        for names, results in tested.groupby(_PLACE, sort=False):
            place = dict(zip(_PLACE, map(str, names), strict=True))
            dataset, protocol = place["dataset"], place["protocol"]
            share = self.test_shares.get((dataset, protocol))
            yield Part(place, results, self._answers(dataset, protocol), share)

    def _answers(self, dataset: str, protocol: str) -> pd.DataFrame | None:
        if self.answers is None:
            return None
        here = (self.answers["dataset"] == dataset) & (self.answers["protocol"] == protocol)
        return self.answers[here]


def read_evidence(params: Params, root: Path = Path()) -> Evidence:
    """Read what the stages `split` and `score` wrote for a study.

    Without answers or splits only tests that need them fail.

    Raises:
        InputError: there are no results.
    """
    folder = root / "reports" / params.study.name
    results = read_results(folder / "results.csv")
    shares = {}
    for key, row in params.datasets.items():
        path = root / "data" / "splits" / f"{key}.json"
        if path.is_file():
            images = read_json(path)["images"]
            shares[row.name, row.protocol] = images["test"] / images["train"]
    answers = folder / "faces.parquet"
    columns = ["dataset", "protocol", "variant", "seed", *FACE_KEY, "person", "correct", "best"]
    return Evidence(
        results=results,
        answers=pd.read_parquet(answers, columns=columns) if answers.is_file() else None,
        test_shares=shares,
    )


# MERGED from ferbench.stats.study:
# The values that a test of two variants is called with.


_PACKAGE = "ferbench.stats.comparisons"
_FACES = "accuracy"  # the one metric that is a mean over faces


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
        .groupby([*FACE_KEY, "variant"], sort=False)["correct"]
        .mean()
        .unstack("variant")
    )
    return Samples(values, paired=True, groups=_groups(part.answers))


def _groups(answers: pd.DataFrame) -> pd.Series:
    """By face, its person, or its image where the person is not known."""
    faces = answers.drop_duplicates(FACE_KEY).set_index(FACE_KEY)["person"]
    image = "image " + pd.Series(faces.index.get_level_values("image_id"), faces.index)
    return ("person " + faces.astype("object")).where(faces.notna(), image)


def _lacking(part: Part, stage: str) -> InputError:
    return InputError(
        f"a test needs what stage `{stage}` writes of this data set",
        where="{dataset}, {protocol}".format_map(part.place),
        remedy=f"`dvc repro {stage}` makes it; or take the test out of `compare: tests`",
    )


# MERGED from ferbench.stats.study:
# Every pair of variants, every test: from what stages left to the comparisons table.


COLUMNS = (
    "study",
    "dataset",
    "protocol",
    "variant_a",
    "variant_b",
    "metric",
    "test",
    "n",
    "estimate",
    "low",
    "high",
    "statistic",
    "p_value",
    "p_corrected",
    "effect_size",
)


def compare_variants(
    results: pd.DataFrame | Evidence, how: Compare, order: Sequence[str]
) -> pd.DataFrame:
    """A row for every data set, protocol, metric, test and pair of variants, on test.

    The correction is over the pairs of one data set, protocol, metric and test. Estimates are mean
    of B minus mean of A. A metric that a variant lacks (boxes, of a classifier) makes no pair, and
    a test of faces makes pairs for accuracy alone.

    Args:
        results: rows of `results.csv`, or these and what tests of faces and rounds need.
        how: which metrics, tests and correction.
        order: all variants; the earlier of a pair is A, so the baseline comes first.

    Raises:
        InputError: a test needs more than results, and it is not there.
    """
    evidence = results if isinstance(results, Evidence) else Evidence(results, None, {})
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric, test in itertools.product(how.metrics, how.tests):
            pairs = _pairs(part, metric, test, order)
            _correct(pairs, how.correction)
            rows += [{**part.place, **pair, "metric": metric, "test": test} for pair in pairs]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pairs(part: Part, metric: str, test: str, order: Sequence[str]) -> list[dict[str, Any]]:
    loaded = load_test(test)
    samples = samples_of(part, metric, loaded.kind)
    if samples is None:
        return []
    return [
        {"variant_a": a, "variant_b": b, **loaded.run(*samples.of(a, b))._asdict()}
        for a, b in samples.pairs(order)
    ]


def _correct(pairs: list[dict[str, Any]], correction: str) -> None:
    correct = plugins.load("ferbench.stats.corrections", correction)
    for pair, p in zip(pairs, correct([pair["p_value"] for pair in pairs]), strict=True):
        pair["p_corrected"] = float(p)


# MERGED from ferbench.stats.study:
# All variants at once: the tables of ranks and of tests on them.


OMNIBUS_COLUMNS = (
    "study",
    "dataset",
    "protocol",
    "metric",
    "test",
    "blocks",
    "variants",
    "statistic",
    "p_value",
    "critical_difference",
)
RANK_COLUMNS = ("study", "dataset", "protocol", "metric", "test", "variant", "mean_rank")
_ALL = {"dataset": "all", "protocol": "all"}


def rank_variants(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Omnibus tests and mean ranks, on test; rank 1 is the best.

    Every data set and protocol is a row with seeds for blocks. A study of several has one more,
    `all`, with a block for every data set and seed. Only blocks with all variants count; a variant
    that has no value of the metric somewhere is left out there. Seeds on one test set are not
    independent data sets: ranks over one data set say how surely its order would come again with
    other seeds, and nothing of other data.

    Args:
        evidence: of the study.
        how: which metrics and tests, and the level of critical differences.
        order: all variants.
        falling: metrics of which less is better.

    Returns:
        Rows of `omnibus.csv` and rows of `ranks.csv`.
    """
    tests = {name: plugins.load("ferbench.stats.omnibus", name) for name in how.omnibus}
    found: list[dict[str, Any]] = []
    ranks: list[dict[str, Any]] = []
    parts = list(evidence.parts())
    for metric in how.metrics:
        sign = -1 if metric in falling else 1
        for place, blocks in _blocks(parts, metric, order):
            if blocks.empty or blocks.shape[1] < 2:
                continue
            scores, names = sign * blocks.to_numpy(), list(blocks.columns)
            size = {"blocks": scores.shape[0], "variants": scores.shape[1]}
            for name, test in tests.items():
                here = {**place, "metric": metric, "test": name}
                found.append({**here, **size, **test(scores, how.alpha)._asdict()})
                of_each = zip(names, mean_ranks(scores), strict=True)
                ranks += [{**here, "variant": v, "mean_rank": float(r)} for v, r in of_each]
    return (
        pd.DataFrame(found, columns=list(OMNIBUS_COLUMNS)),
        pd.DataFrame(ranks, columns=list(RANK_COLUMNS)),
    )


def _blocks(
    parts: Sequence[Part], metric: str, order: Sequence[str]
) -> Iterator[tuple[Mapping[str, str], pd.DataFrame]]:
    """A place and its (blocks, variants), for every data set and then for all of a study's."""
    for _, group in itertools.groupby(parts, key=lambda part: part.place["study"]):
        tables = []
        for part in group:
            values = by_seed(part, metric)
            values = values[[name for name in order if name in values]]
            yield part.place, values.dropna()
            if not values.empty:
                tables.append(values)
                study = part.place["study"]
        if len(tables) > 1:
            yield {"study": study, **_ALL}, pd.concat(tables, join="inner").dropna()


# MERGED from ferbench.stats.study:
# The table of least detectable differences, for every data set, metric and test.


POWER_COLUMNS = (
    "study",
    "dataset",
    "protocol",
    "metric",
    "test",
    "n",
    "spread",
    "detectable",
    "alpha",
    "power",
)


def detectable_differences(evidence: Evidence, how: Compare, order: Sequence[str]) -> pd.DataFrame:
    """A row for every data set, protocol, metric and test that has a formula of power.

    `n` is the least number of seeds, pairs or faces of any two variants. `spread` is pooled over
    the variants, or over all pairs of them, and means what `ferbench.stats.effects.detectable` says;
    NaN without two values.
    """
    rows: list[dict[str, Any]] = []
    for part in evidence.parts():
        for metric in how.metrics:
            found = (_row(part, metric, test, how.alpha, order) for test in how.tests)
            rows += [{**part.place, "metric": metric, **row} for row in found if row is not None]
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))


def _row(
    part: Part, metric: str, test: str, alpha: float, order: Sequence[str]
) -> dict[str, Any] | None:
    loaded = load_test(test)
    if loaded.power == "none":
        return None
    samples = samples_of(part, metric, loaded.kind)
    if samples is None or not list(samples.pairs(order)):
        return None
    n, spread = _spread(samples, loaded.power, order)
    least = detectable(loaded.power, n, spread, alpha)
    return {
        "test": test,
        "n": n,
        "spread": spread,
        "detectable": least,
        "alpha": alpha,
        "power": POWER,
    }


def _spread(samples: Samples, kind: str, order: Sequence[str]) -> tuple[int, float]:
    """Least n and pooled standard deviation."""
    if kind == "two_samples":
        known = [samples.values[name].dropna() for name in order if name in samples.values]
        sides = [column.to_numpy() for column in known]
    else:
        both = (samples.of(a, b) for a, b in samples.pairs(order))
        sides = [pair[1] - pair[0] for pair in both]
    n = min(map(len, sides))
    if kind == "discordant":
        # Under the null a face's difference is -1, 0 or 1 with mean 0: its square is the share.
        sums, counts = [(side**2).sum() for side in sides], [len(side) for side in sides]
    else:
        usable = [side for side in sides if len(side) > 1]
        sums = [side.var(ddof=1) * (len(side) - 1) for side in usable]
        counts = [len(side) - 1 for side in usable]
    return n, math.sqrt(np.sum(sums) / np.sum(counts)) if np.sum(counts) else math.nan


# MERGED from ferbench.stats.study:
# All tables of a study's comparisons.


def compare_study(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> dict[str, pd.DataFrame]:
    """The tables `comparisons`, `omnibus`, `ranks` and `power`; one without rows has its columns.

    Args:
        evidence: of the study.
        how: which metrics and tests.
        order: all variants, the baseline first.
        falling: metrics of which less is better.

    Raises:
        InputError: a test needs what is not there.
    """
    omnibus, ranks = rank_variants(evidence, how, order, falling)
    return {
        "comparisons": compare_variants(evidence, how, order),
        "omnibus": omnibus,
        "ranks": ranks,
        "power": detectable_differences(evidence, how, order),
    }


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write every table as `<name>.csv`."""
    for name, table in tables.items():
        with whole_file(folder / f"{name}.csv") as temporary:
            # Small p-values need significant digits, not decimals.
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
