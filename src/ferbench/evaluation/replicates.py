"""The rows of `replicates.parquet`: which metrics of a study are resampled, and on which faces.

Resampled is what the tests and claims of a study need and cannot compute from `faces.parquet`:

- on test, the metrics that `compare` lists and those of the claims of which the study has both
  variants, but for scores of predicted classes;
- on the images of a robustness test, altered and unaltered, accuracy, the metrics that `compare`
  lists, and those of claims about such images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import FACE_KEY
from ferbench.artifacts.replicates import (
    COLUMNS,
    REPLICATES,
    ClusterDraws,
    cluster_names,
    draw_clusters,
    kind_of,
)
from ferbench.config.claims import Claim
from ferbench.config.params import Params
from ferbench.confusions import SCORES
from ferbench.evaluation.finished_runs import MEAN, PLAIN, Subset, subset_name
from ferbench.evaluation.resampled_metrics import ResampledPredictions
from ferbench.evaluation.scoring import ANY

__all__ = ["StudyReplicates", "wanted_metrics"]

_TEST = "test"
_ACCURACY = "accuracy"


def wanted_metrics(params: Params, claims: Iterable[Claim], robustness: str = "") -> list[str]:
    """The metrics that are resampled on test, or on the images of a robustness test.

    Args:
        params: of the study.
        claims: of the catalogue and the study's own.
        robustness: row of `robustness`; empty for test.
    """
    kind = params.robustness[robustness].kind if robustness else ""
    of_claims = [
        claim.metric for claim in claims if _is_tested(params, claim) and kind in _kinds_of(claim)
    ]
    first = [_ACCURACY] if robustness else []
    scored = (*params.score.metrics, ANY)
    known = [name for name in (*first, *params.compare.metrics, *of_claims) if name in scored]
    return [name for name in dict.fromkeys(known) if robustness or name not in SCORES]


def _is_tested(params: Params, claim: Claim) -> bool:
    has_both = {claim.a, claim.b or claim.a} <= set(params.variants)
    return claim.kind == "protocol" or (claim.kind != "ratio" and has_both)


def _kinds_of(claim: Claim) -> set[str]:
    """The robustness tests that a claim's images are of; empty text for test as it is."""
    # What altering costs is counted from test, where a robustness test altered all of it.
    whole = {""} if claim.kind == "loses_less" else set()
    return {claim.robustness.partition(":")[0]} | whole


@dataclass(frozen=True, eq=False)
class _Block:
    """One metric of one run on one subset.

    Args:
        place: dataset, protocol, variant, seed.
        subset: name in `results.csv`.
        robustness: row of `robustness`; empty for test.
        condition: of that row; empty likewise.
        metric: which.
        values: (1 + `REPLICATES`,).
    """

    place: Mapping[str, Any]
    subset: str
    robustness: str
    condition: str
    metric: str
    values: NDArray[np.float64]

    @property
    def where(self) -> tuple[str, str, str]:
        """Data set, protocol and subset."""
        return _where(self.place, self.subset)


def _where(place: Mapping[str, Any], subset: str) -> tuple[str, str, str]:
    return place["dataset"], place["protocol"], subset


class StudyReplicates:
    """Collects the replicates of a study, subset by subset.

    Args:
        params: of the study.
        claims: of the catalogue and the study's own.
    """

    def __init__(self, params: Params, claims: Sequence[Claim]) -> None:
        tests = ("", *params.robustness)
        self._wanted = {test: wanted_metrics(params, claims, test) for test in tests}
        self._clusters: dict[str, tuple[pd.Series, ClusterDraws]] = {}
        self._blocks: list[_Block] = []
        self._tested: dict[tuple[str, str, str], set[Any]] = {}
        self._names: dict[tuple[str, str], pd.Series] = {}

    @property
    def are_wanted(self) -> bool:
        """Whether any metric is resampled."""
        return any(self._wanted.values())

    def draw(self, key: str, place: tuple[str, str], faces: pd.DataFrame) -> None:
        """Draw the clusters of a data set, before its subsets are added.

        Args:
            key: of the data set's row.
            place: its name and protocol.
            faces: all test faces of all seeds: image_id, face, person and sequence.
        """
        names = cluster_names(faces)
        of_image = names.groupby(level="image_id").first()
        self._clusters[key] = of_image, draw_clusters(names)
        self._names[place] = names

    def add(self, key: str, place: Mapping[str, Any], subset: Subset) -> None:
        """Add a run's predictions on a subset, if it is test or of a robustness test.

        Args:
            key: of the data set's row.
            place: dataset, protocol, variant, seed.
            subset: of the run.
        """
        metrics = self._wanted[subset.robustness]
        if not metrics or not (subset.robustness or subset.name == _TEST):
            return
        resampled = ResampledPredictions.of(subset.predictions, *self._clusters[key])
        for metric in metrics:
            values = resampled.metric(metric)
            if values is not None:
                about = (subset.name, subset.robustness, subset.condition, metric)
                self._blocks.append(_Block(place, *about, values))
        where = _where(place, subset.name)
        faces = subset.predictions.table[FACE_KEY].itertuples(index=False, name=None)
        self._tested.setdefault(where, set()).update(faces)

    def table(self) -> pd.DataFrame:
        """The rows of `replicates.parquet`."""
        blocks = [*self._blocks, *self._means()]
        sizes = {where: self._size(where) for where in self._tested}
        tables = [_rows(block, sizes[block.where]) for block in blocks]
        if not tables:
            return pd.DataFrame(columns=COLUMNS)
        return pd.concat(tables, ignore_index=True)[COLUMNS]

    def _size(self, where: tuple[str, str, str]) -> dict[str, Any]:
        """The columns clusters, faces and cluster of a subset."""
        faces = pd.MultiIndex.from_tuples(list(self._tested[where]))
        names = self._names[where[:2]][faces].unique()
        return {"clusters": len(names), "faces": len(faces), "cluster": kind_of(names)}

    def _means(self) -> Iterator[_Block]:
        """Of each metric over the conditions of a robustness test that has several."""
        tests: dict[tuple[Any, ...], list[_Block]] = {}
        for block in self._blocks:
            if block.robustness and block.condition != PLAIN:
                about = (*block.place.values(), block.robustness, block.metric)
                tests.setdefault(about, []).append(block)
        for (*_, test, metric), blocks in tests.items():
            if len(blocks) > 1:
                mean = sum(block.values for block in blocks) / len(blocks)
                name, place = subset_name(test, MEAN), blocks[0].place
                whole = _Block(place, name, test, MEAN, metric, np.asarray(mean))
                tested = self._tested.setdefault(whole.where, set())
                tested.update(*(self._tested[block.where] for block in blocks))
                yield whole


def _rows(block: _Block, size: Mapping[str, Any]) -> pd.DataFrame:
    about = {"subset": block.subset, "robustness": block.robustness, "condition": block.condition}
    numbers = {"replicate": np.arange(1 + REPLICATES), "value": block.values}
    return pd.DataFrame({**block.place, **about, "metric": block.metric, **numbers, **size})
