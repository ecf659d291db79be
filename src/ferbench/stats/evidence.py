"""What is compared: results, answers face by face and split sizes, cut up by data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferbench.files import read_json
from ferbench.params import Params
from ferbench.results import read_results

__all__ = ["Evidence", "Part", "read_evidence"]

_PLACE = ["study", "dataset", "protocol"]


@dataclass(frozen=True, eq=False)
class Part:
    """What there is of one data set under one protocol, on test.

    Args:
        place: study, dataset, protocol.
        results: rows of `results.csv`.
        answers: rows of `answers.parquet`; None where there is no such file.
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
        answers: dataset, protocol, variant, seed, image_id, person, correct and best of
            `answers.parquet`; None without it.
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
    answers = folder / "answers.parquet"
    columns = ["dataset", "protocol", "variant", "seed", "image_id", "person", "correct", "best"]
    return Evidence(
        results=results,
        answers=pd.read_parquet(answers, columns=columns) if answers.is_file() else None,
        test_shares=shares,
    )
