"""Finished cells on disk: their record, their answers, their training curve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import read_boxes, read_predictions
from ferbench.config.params import Params
from ferbench.config.runs import Run, all_runs
from ferbench.errors import InputError
from ferbench.evaluation.scoring import Predictions
from ferbench.files import read_json

__all__ = [
    "SUBSETS",
    "Finished",
    "Images",
    "finished_cells",
    "images_of",
    "mean_name",
    "plain_name",
    "probe_name",
    "read_images",
    "subsets_of",
]

# Folder of each subset's answers inside a cell's folder.
SUBSETS = {"val": "val", "test": "."}
_NEEDED = ("run.json", "history.csv", "predictions.parquet", "boxes.parquet")
_AGAIN = "run what is missing: `dvc repro`"


@dataclass(frozen=True)
class Finished:
    """One finished cell.

    Args:
        cell: which.
        folder: where its files are.
        run: its `run.json`.
    """

    cell: Run
    folder: Path
    run: Mapping[str, Any]

    @property
    def detects(self) -> bool:
        """Whether it answers with boxes."""
        return bool(self.run["task"] == "detect")

    def answers(self, subset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Its predictions and boxes on `val` or `test`."""
        return _answers(self.folder / SUBSETS[subset])

    def conditions(self, probe: str) -> list[str]:
        """What a probe showed it; nothing, if the probe does not apply to it.

        Raises:
            InputError: the probe was not run.
        """
        path = self.folder / "robustness" / probe / "robustness.json"
        if not path.is_file():
            raise InputError(f"{self.cell.name} lacks probe {probe}", where=path, remedy=_AGAIN)
        return [str(condition) for condition in read_json(path)["conditions"]]

    def probed(self, probe: str, condition: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Its predictions and boxes on the test images as a condition of a probe alters them."""
        return _answers(self.folder / "robustness" / probe / condition)

    def history(self) -> pd.DataFrame:
        """Its training curve, a row an epoch."""
        return pd.read_csv(self.folder / "history.csv")


def finished_cells(params: Params, root: Path) -> list[Finished]:
    """All cells that the study's tables name, in their order.

    Args:
        params: the active study.
        root: the project's folder.

    Raises:
        InputError: a cell is not there, or was made under another protocol.
    """
    cells = [_read(cell, root / cell.folder) for cell in all_runs(params)]
    for finished in cells:
        wanted = params.datasets[finished.cell.dataset].protocol
        if finished.run["protocol"] != wanted:
            raise InputError(
                f"was run under protocol {finished.run['protocol']}, the study asks for {wanted}",
                where=finished.folder,
                remedy="run it again: `dvc repro`",
            )
    return cells


def _answers(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    boxes = read_boxes(folder / "boxes.parquet")
    return read_predictions(folder / "predictions.parquet"), boxes


def _read(cell: Run, folder: Path) -> Finished:
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise InputError(
                f"{cell.variant} on {cell.dataset} with seed {cell.seed} lacks {name}",
                where=folder,
                remedy=_AGAIN,
            )
    return Finished(cell, folder, read_json(folder / "run.json"))


# MERGED from ferbench.evaluation.finished_runs:
# Which images of a split the audit found again in train, and who is on them, as stages left it.


_AGAIN_LEAKS = "`dvc repro` makes it"


@dataclass(frozen=True, eq=False)
class Images:
    """What is known of a data set's images.

    Args:
        person: by image id, null where unknown.
        leaked: by image id, whether train holds a copy, a near copy, the person or the sequence;
            None where every seed has a split of its own, which the audit does not describe.
        where: the audit's file.
    """

    person: pd.Series
    leaked: pd.Series | None
    where: Path

    def person_of(self, units: Iterable[str]) -> list[str | None]:
        """The person on each labelled face's image."""
        known = self.person.dropna().astype(str).to_dict()
        return [known.get(image) for image in images_of(units, set(self.person.index))]

    def leaked_of(self, units: Iterable[str]) -> NDArray[np.bool_] | None:
        """(N,) whether each labelled face's image is leaked.

        Raises:
            InputError: the audit does not know an image.
        """
        if self.leaked is None:
            return None
        found = self.leaked.reindex(images_of(units, set(self.leaked.index)))
        if found.isna().any():
            raise InputError(
                f"the audit knows no image {found.index[found.isna()][0]}",
                where=self.where,
                remedy="it is of another split; `dvc repro` audits again",
            )
        return found.to_numpy(dtype=bool)


def read_images(root: Path, key: str, *, resplit: bool) -> Images:
    """What `split` and `audit` wrote of a data set's images.

    Args:
        root: the project's folder.
        key: of the data set's row.
        resplit: whether every seed has a split of its own.

    Raises:
        InputError: a file is absent.
    """
    split, audit = root / "data" / "splits" / f"{key}.parquet", root / "data" / "audit" / key
    leaks = audit / "leaks.parquet"
    for path in (split, leaks):
        if not path.is_file():
            raise InputError("missing", where=path, remedy=_AGAIN_LEAKS)
    person = pd.read_parquet(split).set_index("image_id")["person"]
    leaked = None if resplit else pd.read_parquet(leaks).set_index("image_id")["leaked"]
    return Images(person, leaked, leaks)


def images_of(units: Iterable[str], known: set[str]) -> list[str]:
    """The image of each labelled face: its id itself, or what stands before the face's number.

    >>> images_of(["a", "b#0", "c#1"], {"a", "b", "c#1"})
    ['a', 'b', 'c#1']
    """
    return [unit if unit in known else unit.rpartition("#")[0] or unit for unit in units]


# MERGED from ferbench.evaluation.finished_runs:
# The subsets that a cell is scored on: sides of the split, parts of test, altered test images.


def probe_name(probe: str, condition: str) -> str:
    """The subset of test images that a probe altered in one way."""
    return f"{probe}_{condition}"


def mean_name(probe: str) -> str:
    """Stands for the mean over all conditions of a probe."""
    return probe_name(probe, "mean")


def plain_name(probe: str) -> str:
    """The faces that a probe drew from test, not altered: what its scores are held against."""
    return probe_name(probe, "plain")


def subsets_of(
    finished: Finished, images: Images, probes: Iterable[str], threshold: float
) -> Iterator[tuple[str, Predictions]]:
    """Name and answers of every subset.

    val and test; `test_clean` and `test_leaked`, the faces of test whose image the audit did not
    and did find again in train, if there are both; and, by probe and condition, test altered.

    Args:
        finished: the cell.
        images: of its data set.
        probes: rows of the study's table.
        threshold: least score of a detector's box.

    Raises:
        InputError: a file is absent or broken.
    """
    least = threshold if finished.detects else None
    for name in SUBSETS:
        answers = Predictions(*finished.answers(name), least)
        yield name, answers
    leaked = images.leaked_of(answers.predictions["image_id"])
    if leaked is not None and leaked.any() and not leaked.all():
        yield "test_clean", _part(answers, ~leaked)
        yield "test_leaked", _part(answers, leaked)
    for probe in probes:
        yield from _probed(finished, probe, answers)


def _probed(finished: Finished, probe: str, test: Predictions) -> Iterator[tuple[str, Predictions]]:
    """What a probe showed, after the same faces as they are."""
    shown = {
        condition: Predictions(*finished.probed(probe, condition), test.threshold)
        for condition in finished.conditions(probe)
    }
    if shown:
        faces = next(iter(shown.values())).predictions["image_id"]
        drawn = test.predictions["image_id"].isin(faces).to_numpy()
        if not drawn.all():
            yield plain_name(probe), _part(test, drawn)
    for condition, altered in shown.items():
        yield probe_name(probe, condition), altered


def _part(answers: Predictions, chosen: NDArray[np.bool_]) -> Predictions:
    """The chosen faces and all boxes of their images."""
    predictions = answers.predictions[chosen].reset_index(drop=True)
    known = set(answers.boxes["image_id"])
    images = images_of(predictions["image_id"], known)
    boxes = answers.boxes[answers.boxes["image_id"].isin(images)].reset_index(drop=True)
    return Predictions(predictions, boxes, answers.threshold)
