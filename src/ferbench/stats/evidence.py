"""What a study's comparisons are based on, and how it is cut into samples for each kind of test."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.artifacts.datasets import read_split_summary
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import FACE_KEY
from ferbench.artifacts.results import read_results
from ferbench.config.params import Params
from ferbench.errors import InputError

__all__ = [
    "Evidence",
    "EvidencePart",
    "Samples",
    "by_seed",
    "cluster_kind",
    "clusters_of",
    "read_evidence",
    "samples_of",
]

_PLACE = ["study", "dataset", "protocol"]
_UNITS = ("person", "sequence")  # what groups test faces, if it is known; the first one first
_FACES = "accuracy"  # the one metric that is a mean over faces


@dataclass(frozen=True, eq=False)
class EvidencePart:
    """The evidence of one data set under one protocol, on test.

    Args:
        place: study, dataset, protocol.
        results: rows of `results.csv`.
        faces: rows of `faces.parquet`; None where there is no such file.
        test_share: test images divided by training images; None where that is not known.
        redrawn: whether every seed drew a split of its own.
    """

    place: Mapping[str, str]
    results: pd.DataFrame
    faces: pd.DataFrame | None
    test_share: float | None
    redrawn: bool = False

    @property
    def location(self) -> tuple[str, str]:
        """Data set and protocol."""
        return self.place["dataset"], self.place["protocol"]

    @cached_property
    def clusters(self) -> pd.Series | None:
        """By face, the kind and name of its cluster; None without predictions."""
        if self.faces is None:
            return None
        faces = self.faces.drop_duplicates(FACE_KEY).set_index(FACE_KEY)
        found = "image " + pd.Series(faces.index.get_level_values("image_id"), faces.index)
        for unit in reversed(_UNITS):
            if unit in faces:
                known = faces[unit].astype("object")
                found = (f"{unit} " + known).where(known.notna(), found)
        return found

    @cached_property
    def outcomes(self) -> pd.DataFrame | None:
        """(seeds and faces, variants): 1 where a face was classified correctly, else 0.

        NaN where a variant has no prediction; None without predictions.
        """
        if self.faces is None:
            return None
        rows = self.faces.assign(correct=self.faces["correct"].astype(float))
        return rows.pivot(index=["seed", *FACE_KEY], columns="variant", values="correct")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the stages of a study wrote for comparisons.

    Args:
        results: rows of `results.csv`.
        faces: dataset, protocol, variant, seed, image_id, face, person, target, predicted,
            correct and best of `faces.parquet`; None without it.
        test_shares: test images divided by training images, by data set and protocol.
        redrawn: data sets and protocols of which every seed drew a split of its own.
    """

    results: pd.DataFrame
    faces: pd.DataFrame | None
    test_shares: Mapping[tuple[str, str], float]
    redrawn: Collection[tuple[str, str]] = ()

    def parts(self) -> Iterator[EvidencePart]:
        """One part per data set and protocol, in the order of the results."""
        tested = self.results[self.results["subset"] == "test"]
        for names, results in tested.groupby(_PLACE, sort=False):
            place = dict(zip(_PLACE, map(str, names), strict=True))
            dataset, protocol = place["dataset"], place["protocol"]
            faces = self.faces
            if faces is not None:
                faces = faces[(faces["dataset"] == dataset) & (faces["protocol"] == protocol)]
            share = self.test_shares.get((dataset, protocol))
            yield EvidencePart(place, results, faces, share, (dataset, protocol) in self.redrawn)


def read_evidence(params: Params, root: Path = Path()) -> Evidence:
    """Read what the stages `split` and `score` wrote for a study.

    Without predictions or splits only the tests that need them fail.

    Raises:
        InputError: there are no results.
    """
    folder = root / "reports" / params.study.name
    results = read_results(folder / "results.csv")
    shares, redrawn = {}, set()
    for key, row in params.datasets.items():
        paths = DatasetPaths(key, root)
        if paths.split_summary.is_file():
            summary = read_split_summary(paths)
            shares[row.name, row.protocol] = summary.images["test"] / summary.images["train"]
            if summary.redrawn:
                redrawn.add((row.name, row.protocol))
    path = folder / "faces.parquet"
    columns = ["dataset", "protocol", "variant", "seed", *FACE_KEY, "person"]
    columns += ["target", "predicted", "correct", "best"]
    return Evidence(
        results=results,
        faces=pd.read_parquet(path, columns=columns) if path.is_file() else None,
        test_shares=shares,
        redrawn=redrawn,
    )


@dataclass(frozen=True, eq=False)
class Samples:
    """One metric of all variants on one data set, in the form that one kind of test takes.

    Args:
        values: (seeds or faces, variants); NaN where a variant has none.
        paired: only rows that both variants have are used.
        groups: of the faces, for tests of faces.
        test_share: for tests of rounds.
        whole: part and metric, for tests of all evidence.
    """

    values: pd.DataFrame
    paired: bool
    groups: pd.Series | None = None
    test_share: float | None = None
    whole: tuple[EvidencePart, str] | None = None

    def pairs(self, order: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Every two variants that have values, the earlier in `order` first."""
        return itertools.combinations([name for name in order if name in self.values], 2)

    def of(self, a: str, b: str) -> tuple[Any, ...]:
        """The arguments of a test of A and B."""
        if self.whole is not None:
            return (*self.whole, a, b)
        if not self.paired:
            return tuple(self.values[name].dropna().to_numpy() for name in (a, b))
        both = self.values[[a, b]].dropna()
        values: tuple[Any, ...] = both[a].to_numpy(), both[b].to_numpy()
        if self.groups is not None:
            return (*values, self.groups[both.index].to_numpy())
        return values if self.test_share is None else (*values, self.test_share)


def samples_of(part: EvidencePart, metric: str, kind: str) -> Samples | None:
    """Lay out a metric for one kind of test; None if such tests do not apply to the metric.

    Args:
        part: of the evidence.
        metric: of `results.csv`.
        kind: as listed in `ferbench.stats.comparisons`.

    Raises:
        InputError: the test needs predictions or the share of test images, and there are none.
    """
    if kind in ("faces_best", "faces_mean"):
        return _of_faces(part, best=kind == "faces_best") if metric == _FACES else None
    values = by_seed(part, metric)
    if kind == "evidence":
        return Samples(values, paired=True, whole=(part, metric))
    if kind == "rounds":
        if part.test_share is None:
            raise _missing(part, "split")
        return Samples(values, paired=True, test_share=part.test_share)
    if kind not in ("seeds", "pairs"):
        raise ValueError(f"no samples of kind {kind!r}")
    return Samples(values, paired=kind == "pairs")


def by_seed(part: EvidencePart, metric: str) -> pd.DataFrame:
    """(seeds, variants) of a metric by rising seed; a variant without any value has no column."""
    rows = part.results[(part.results["metric"] == metric) & part.results["value"].notna()]
    return rows.pivot(index="seed", columns="variant", values="value").sort_index()


def _of_faces(part: EvidencePart, *, best: bool) -> Samples:
    if part.faces is None:
        raise _missing(part, "score")
    rows = part.faces[part.faces["best"]] if best else part.faces
    values = (
        rows.assign(correct=rows["correct"].astype(float))
        .groupby([*FACE_KEY, "variant"], sort=False)["correct"]
        .mean()
        .unstack("variant")
    )
    return Samples(values, paired=True, groups=clusters_of(part))


def clusters_of(part: EvidencePart) -> pd.Series:
    """By face, its person; where that is unknown its sequence, or else its image.

    Raises:
        InputError: there are no predictions.
    """
    if part.clusters is None:
        raise _missing(part, "score")
    return part.clusters


def cluster_kind(part: EvidencePart) -> str:
    """What `clusters_of` groups faces by: `person`, `sequence`, `image`, or `mixed`.

    Raises:
        InputError: there are no predictions.
    """
    kinds = set(clusters_of(part).str.split(" ", n=1).str[0])
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _missing(part: EvidencePart, stage: str) -> InputError:
    return InputError(
        f"a test needs what stage `{stage}` writes for this data set",
        where="{dataset}, {protocol}".format_map(part.place),
        remedy=f"run `dvc repro {stage}`, or remove the test from `compare: tests`",
    )
