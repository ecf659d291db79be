"""The files of finished runs, and the subsets that a run is scored on.

A run is scored on val and test, and on train where the study asks for it; on `test_clean` and
`test_leaked`, the faces of test whose image the audit did not and did find again in train, if there
are both; and, for each robustness test, on the altered test images of each condition and on the
drawn faces unaltered, if these are not all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.datasets import read_split_summary
from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import FACE_KEY, read_boxes, read_predictions
from ferbench.artifacts.runs import RunRecord, read_history
from ferbench.config.params import Params
from ferbench.config.runs import Run, all_runs
from ferbench.errors import InputError
from ferbench.evaluation.scoring import Predictions
from ferbench.files import read_json

__all__ = [
    "MEAN",
    "PLAIN",
    "SPLITS",
    "TRAIN",
    "FinishedRun",
    "Images",
    "Subset",
    "all_test_faces",
    "finished_runs",
    "read_images",
    "subset_name",
    "subsets_of",
]

# Folder of each split's predictions inside a run's folder.
SPLITS = {"val": "val", "test": "."}
# Subset and folder of the training images, for studies of tables that were measured on them.
TRAIN = "train"
# Conditions in `results.csv` beside those of a robustness test: the mean over them, and the faces
# that it drew from test, unaltered, which its scores are compared with.
MEAN, PLAIN = "mean", "plain"
_NEEDED = ("run.json", "history.csv", "predictions.parquet", "boxes.parquet")
_TRAINED = (f"{TRAIN}/predictions.parquet", f"{TRAIN}/boxes.parquet")
_REMEDY = "run what is missing: `dvc repro`"


@dataclass(frozen=True)
class FinishedRun:
    """One finished run.

    Args:
        run: which.
        folder: where its files are.
        record: its `run.json`.
    """

    run: Run
    folder: Path
    record: RunRecord

    @property
    def detects(self) -> bool:
        """Whether it is a detector's."""
        return self.record.task == "detect"

    def conditions(self, test: str) -> list[str]:
        """The conditions of a robustness test; none, if it does not apply to the network.

        Raises:
            InputError: the test was not run.
        """
        path = self.folder / "robustness" / test / "robustness.json"
        if not path.is_file():
            raise InputError(
                f"{self.run.name} lacks robustness test {test}", where=path, remedy=_REMEDY
            )
        return [str(condition) for condition in read_json(path)["conditions"]]

    def history(self) -> pd.DataFrame:
        """Its training curve, a row an epoch."""
        return read_history(self.folder / "history.csv")


@dataclass(frozen=True, eq=False)
class Subset:
    """A run's predictions on one subset.

    Args:
        name: of the subset in `results.csv`.
        predictions: on it.
        robustness: row of `robustness`; empty for val, test and parts of test.
        condition: of that row; empty likewise.
    """

    name: str
    predictions: Predictions
    robustness: str = ""
    condition: str = ""


@dataclass(frozen=True, eq=False)
class Images:
    """What is known of a data set's images.

    Args:
        person: by image id, null where unknown.
        leaked: by image id, whether train holds a copy, a near copy, the person or the sequence;
            None where every seed has a split of its own, which the audit does not describe.
        where: the audit's file.
        sequence: by image id, null where unknown.
    """

    person: pd.Series
    leaked: pd.Series | None
    where: Path
    sequence: pd.Series = field(default_factory=lambda: pd.Series(dtype="string"))

    def owners(self, image_ids: pd.Series) -> dict[str, pd.Series]:
        """Person and sequence of images, by these words; null where unknown."""
        known = {"person": self.person, "sequence": self.sequence}
        return {unit: image_ids.map(names).astype("string") for unit, names in known.items()}

    def leaked_of(self, predictions: pd.DataFrame) -> NDArray[np.bool_] | None:
        """(N,) whether the image of each face of a predictions table is leaked.

        Raises:
            InputError: the audit does not know an image.
        """
        if self.leaked is None:
            return None
        found = self.leaked.reindex(predictions["image_id"])
        if found.isna().any():
            raise InputError(
                f"the audit knows no image {found.index[found.isna()][0]}",
                where=self.where,
                remedy="it is of another split; `dvc repro` audits again",
            )
        return found.to_numpy(dtype=bool)


def finished_runs(params: Params, root: Path) -> list[FinishedRun]:
    """All runs that the study's tables name, in their order.

    Args:
        params: the active study.
        root: the project's folder.

    Raises:
        InputError: a run is not there, or was made under another protocol.
    """
    found = []
    for run in all_runs(params):
        folder, wanted = root / run.folder, params.datasets[run.dataset].protocol
        for name in (*_NEEDED, *(_TRAINED if params.score.train else ())):
            if not (folder / name).is_file():
                raise InputError(
                    f"{run.variant} on {run.dataset} with seed {run.seed} lacks {name}",
                    where=folder,
                    remedy=_REMEDY,
                )
        record = RunRecord.read(folder / "run.json")
        if record.protocol != wanted:
            raise InputError(
                f"was run under protocol {record.protocol}, the study asks for {wanted}",
                where=folder,
                remedy="run it again: `dvc repro`",
            )
        found.append(FinishedRun(run, folder, record))
    return found


def read_images(root: Path, key: str) -> Images:
    """What `dedup`, `split` and `audit` wrote of a data set's images.

    Args:
        root: the project's folder.
        key: of the data set's row.

    Raises:
        InputError: a file is absent.
    """
    paths = DatasetPaths(key, root)
    leaks = paths.audit / "leaks.parquet"
    for path in (paths.split, leaks):
        if not path.is_file():
            raise InputError("missing", where=path, remedy="`dvc repro` makes it")
    person = pd.read_parquet(paths.split).set_index("image_id")["person"]
    sequence = read_index(paths.index).set_index("image_id")["sequence"]
    if read_split_summary(paths).redrawn:
        return Images(person, None, leaks, sequence)
    leaked = pd.read_parquet(leaks).set_index("image_id")["leaked"]
    return Images(person, leaked, leaks, sequence)


def all_test_faces(runs: Iterable[FinishedRun], images: Images) -> pd.DataFrame:
    """Every face that a run of a data set was tested on, once: `FACE_KEY`, person and sequence.

    Args:
        runs: of one data set.
        images: of it.
    """
    paths = [finished.folder / SPLITS["test"] / "predictions.parquet" for finished in runs]
    faces = pd.concat([read_predictions(path)[FACE_KEY] for path in paths]).drop_duplicates()
    return faces.assign(**images.owners(faces["image_id"])).reset_index(drop=True)


def subset_name(test: str, condition: str) -> str:
    """Name in `results.csv` of the test images that a robustness test altered in one way."""
    return f"{test}_{condition}"


def subsets_of(
    finished: FinishedRun,
    images: Images,
    tests: Iterable[str],
    threshold: float,
    *,
    train: bool = False,
) -> Iterator[Subset]:
    """Every subset of a run; each file is read once.

    Args:
        finished: the run.
        images: of its data set.
        tests: rows of `robustness`.
        threshold: least score of a detector's box.
        train: whether the training images are a subset too.

    Raises:
        InputError: a file is absent or broken.
    """
    least = threshold if finished.detects else None
    for name, place in SPLITS.items():
        test = _read(finished.folder / place, least)
        yield Subset(name, test)
    if train:
        yield Subset(TRAIN, _read(finished.folder / TRAIN, least))
    leaked = images.leaked_of(test.table)
    if leaked is not None and leaked.any() and not leaked.all():
        yield Subset("test_clean", _part(test, ~leaked))
        yield Subset("test_leaked", _part(test, leaked))
    for row in tests:
        folder = finished.folder / "robustness" / row
        altered = {c: _read(folder / c, least) for c in finished.conditions(row)}
        if altered:
            drawn = _is_in(test.table, next(iter(altered.values())).table)
            if not drawn.all():
                yield Subset(subset_name(row, PLAIN), _part(test, drawn), row, PLAIN)
        for condition, predictions in altered.items():
            yield Subset(subset_name(row, condition), predictions, row, condition)


def _read(folder: Path, threshold: float | None) -> Predictions:
    boxes = read_boxes(folder / "boxes.parquet")
    return Predictions(read_predictions(folder / "predictions.parquet"), boxes, threshold)


def _is_in(table: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.bool_]:
    """(N,) whether each face of a predictions table is in another one."""
    faces, others = (pd.MultiIndex.from_frame(each[FACE_KEY]) for each in (table, other))
    return faces.isin(others)


def _part(test: Predictions, chosen: NDArray[np.bool_]) -> Predictions:
    """The chosen faces and all boxes of their images."""
    table = test.table[chosen].reset_index(drop=True)
    boxes = test.boxes[test.boxes["image_id"].isin(table["image_id"])].reset_index(drop=True)
    return Predictions(table, boxes, test.threshold)
