"""A run: one variant on one data set with one seed, the unit that is trained."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ferbench.config.params import Dataset, Params
from ferbench.errors import InputError, unknown

__all__ = ["Run", "all_runs", "dataset_from_words", "run_from_words"]


@dataclass(frozen=True, order=True)
class Run:
    """One variant on one data set with one seed.

    Args:
        study: name of the study.
        variant: key of a row of the variants table.
        dataset: key of a row of the data-set table.
        seed: of weights, order and augmentation.
    """

    study: str
    variant: str
    dataset: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where its outputs are, relative to the project."""
        return Path("runs", self.study, self.variant, self.dataset, str(self.seed))

    @property
    def name(self) -> str:
        """The name of its DVC stages behind the `@`."""
        return f"{self.variant}-{self.dataset}-{self.seed}"


def all_runs(params: Params) -> list[Run]:
    """Every run of the active study, in the order of its tables."""
    rows = product(params.variants, params.datasets, params.seeds)
    return [Run(params.study.name, *row) for row in rows]


def run_from_words(params: Params, words: list[str]) -> Run:
    """The run that a command line names: variant, data set, seed.

    Raises:
        InputError: a word is none of the active study's.
    """
    if len(words) != 3 or not words[2].isdecimal():
        raise InputError(
            f"expected a variant, a data set and a seed, got {' '.join(words) or 'nothing'}",
            remedy=f"one of: {', '.join(run.name for run in all_runs(params))}",
        )
    variant, dataset, seed = words
    for kind, word, known in (
        ("variant", variant, list(params.variants)),
        ("data set", dataset, list(params.datasets)),
        ("seed", seed, [str(s) for s in params.seeds]),
    ):
        if word not in known:
            raise unknown(kind, word, known, where="params.yaml")
    return Run(params.study.name, variant, dataset, int(seed))


def dataset_from_words(params: Params, words: list[str]) -> tuple[str, Dataset]:
    """The data set that a command line names: its key and its row.

    Raises:
        InputError: there is not one word, or it is no data set of the active study.
    """
    if len(words) != 1:
        raise InputError(
            f"expected a data set, got {' '.join(words) or 'nothing'}",
            remedy=f"one of: {', '.join(params.datasets)}",
        )
    if words[0] not in params.datasets:
        raise unknown("data set", words[0], params.datasets, where="params.yaml: datasets")
    return words[0], params.datasets[words[0]]
