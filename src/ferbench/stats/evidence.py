"""What a study's comparisons are based on, and how it is cut into samples for each kind of test."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ferbench.artifacts.datasets import read_split_summary
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import FACE_KEY
from ferbench.artifacts.replicates import cluster_names, kind_of, read_replicates
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
        replicates: rows of `replicates.parquet` for the images that the results are of; None where
            there is no such file.
    """

    place: Mapping[str, str]
    results: pd.DataFrame
    faces: pd.DataFrame | None
    test_share: float | None
    redrawn: bool = False
    replicates: pd.DataFrame | None = None

    @property
    def location(self) -> tuple[str, str]:
        """Data set and protocol."""
        return self.place["dataset"], self.place["protocol"]

    @cached_property
    def clusters(self) -> pd.Series | None:
        """By face, the kind and name of its cluster; None without predictions."""
        return None if self.faces is None else cluster_names(self.faces)

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
        faces: dataset, protocol, variant, seed, image_id, face, person, sequence, target,
            predicted, correct and best of `faces.parquet`; None without it. Older files have no
            sequence.
        test_shares: test images divided by training images, by data set and protocol.
        redrawn: data sets and protocols of which every seed drew a split of its own.
        replicates: rows of `replicates.parquet`; None without it, as of older studies.
    """

    results: pd.DataFrame
    faces: pd.DataFrame | None
    test_shares: Mapping[tuple[str, str], float]
    redrawn: Collection[tuple[str, str]] = ()
    replicates: pd.DataFrame | None = None

    def parts(self) -> Iterator[EvidencePart]:
        """One part per data set and protocol, in the order of the results."""
        tested = self.results[self.results["subset"] == "test"]
        for names, results in tested.groupby(_PLACE, sort=False):
            place = dict(zip(_PLACE, map(str, names), strict=True))
            dataset, protocol = place["dataset"], place["protocol"]
            faces, replicates = self.faces, self.replicates
            if faces is not None:
                faces = _rows_at(faces, place)
            if replicates is not None:
                replicates = _rows_at(replicates, place, subset="test")
            share = self.test_shares.get((dataset, protocol))
            redrawn = (dataset, protocol) in self.redrawn
            yield EvidencePart(place, results, faces, share, redrawn, replicates)

    def altered(self, part: EvidencePart, robustness: str, condition: str) -> EvidencePart:
        """A part as measured on the images of a robustness test; without results if it was not.

        Args:
            part: on test.
            robustness: row of `robustness`.
            condition: of that row, `mean` or `plain`.
        """
        how = {"robustness": robustness, "condition": condition}
        results = self.results.iloc[:0]
        if "condition" in self.results:
            results = _rows_at(self.results, part.place, **how)
        replicates = self.replicates
        if replicates is not None:
            replicates = _rows_at(replicates, part.place, **how)
        return replace(part, results=results, faces=None, replicates=replicates)


def _rows_at(table: pd.DataFrame, place: Mapping[str, str], **cells: str) -> pd.DataFrame:
    """The rows of a data set and protocol with some cells."""
    wanted = {name: place[name] for name in ("dataset", "protocol")} | cells
    own = np.logical_and.reduce([table[name] == value for name, value in wanted.items()])
    return table[own]


def read_evidence(params: Params, root: Path = Path()) -> Evidence:
    """Read what the stages `split` and `score` wrote for a study.

    Without predictions or splits only the tests that need them fail; without replicates, the
    intervals of metrics that cannot be computed from predictions alone are about seeds only.

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
    replicates = folder / "replicates.parquet"
    return Evidence(
        results=results,
        faces=_read_faces(folder / "faces.parquet"),
        test_shares=shares,
        redrawn=redrawn,
        replicates=read_replicates(replicates) if replicates.is_file() else None,
    )


def _read_faces(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    columns = ["dataset", "protocol", "variant", "seed", *FACE_KEY, "person", "sequence"]
    columns += ["target", "predicted", "correct", "best"]
    # Files of older studies have no sequence.
    known = pq.read_schema(path).names
    return pd.read_parquet(path, columns=[n for n in columns if n in known or n != "sequence"])


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
    return kind_of(clusters_of(part))


def _missing(part: EvidencePart, stage: str) -> InputError:
    return InputError(
        f"a test needs what stage `{stage}` writes for this data set",
        where="{dataset}, {protocol}".format_map(part.place),
        remedy=f"run `dvc repro {stage}`, or remove the test from `compare: tests`",
    )
