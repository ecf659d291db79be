"""Runs of this project on the same test part: what judged models are compared with.

Studies that were scored here have `reports/<study>/faces.parquet`, whose faces pair with those of
judged models. Runs that were not scored have their own predictions. Published reports hold scores
alone: they are shown, and no test is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ferbench.artifacts.predictions import FACE_KEY, arrays, classes_of, predicted, read_predictions
from ferbench.artifacts.results import read_results
from ferbench.artifacts.runs import RunRecord
from ferbench.errors import InputError
from ferbench.external.truth import Truth
from ferbench.reporting.withdrawn import read_withdrawn

__all__ = ["MISSED", "Rivals", "face_rows", "find_rivals"]

MISSED = "none"
_FACES = ["variant", "seed", *FACE_KEY, "target", "predicted", "correct", "best"]
_RESULTS = ["variant", "seed", "metric", "value"]


@dataclass
class Rivals:
    """Runs on the same test part.

    Args:
        faces: variant (study and variant), seed, image_id, face, target, predicted, correct, best.
        results: variant, seed, metric, value on test.
        notes: what was found and is not compared, with the reason.
    """

    faces: list[pd.DataFrame] = field(default_factory=list)
    results: list[pd.DataFrame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def paired(self) -> list[str]:
        """The names of those that have faces."""
        return [name for table in self.faces for name in table["variant"].unique()]


def face_rows(variant: str, seed: int, table: pd.DataFrame, *, best: bool) -> pd.DataFrame:
    """A run's rows of `Rivals.faces`.

    Args:
        variant: its name.
        seed: of it.
        table: as `ferbench.artifacts.predictions` describes.
        best: whether it stands for its variant in tests of one run each.
    """
    label = pd.Index([*classes_of(table), MISSED])[predicted(arrays(table)[0])]
    rows = table[[*FACE_KEY, "target"]].reset_index(drop=True)
    return rows.assign(
        variant=variant,
        seed=seed,
        predicted=label,
        correct=rows["target"].to_numpy() == label.to_numpy(),
        best=best,
    )[_FACES]


def find_rivals(truth: Truth, root: Path) -> Rivals:
    """All runs on the test part of a data set below `reports/` and `runs/`.

    Args:
        truth: the data set.
        root: the project's folder; without these two folders nothing is found.
    """
    found = Rivals()
    withdrawn = read_withdrawn(root / "reports")
    scored = set()
    for path in sorted(root.glob("reports/*/results.csv")):
        study = path.parent.name
        if study in withdrawn:
            found.notes.append(f"{study}: its numbers are withdrawn")
            continue
        try:
            if _add_study(found, truth, path):
                scored.add(study)
        # Files of somebody's checkout, of any age: one that is broken must not stop the judgement.
        except (InputError, ValueError, KeyError, OSError) as error:
            found.notes.append(f"{study}: cannot be read ({error})")
    _add_runs(found, truth, root, scored)
    return found


def _add_study(found: Rivals, truth: Truth, path: Path) -> bool:
    """Add the runs of a scored study; whether it has runs on the data set with their faces."""
    study, results = path.parent.name, read_results(path)
    own = results[_of(results, truth) & (results["subset"] == "test")]
    if own.empty:
        return False
    found.results.append(_renamed(own, study)[_RESULTS])
    if not (path.parent / "faces.parquet").is_file():
        found.notes.append(f"{study}: only its scores are here, no predictions to pair with")
        return False
    faces = pd.read_parquet(path.parent / "faces.parquet")
    faces = _renamed(faces[_of(faces, truth)], study)
    same = [
        rows[_FACES]
        for _, rows in faces.groupby(["variant", "seed"], sort=False)
        if _has_same_faces(rows, truth)
    ]
    if not same:
        found.notes.append(f"{study}: was tested on other images")
        return False
    found.faces.append(pd.concat(same, ignore_index=True))
    return True


def _of(table: pd.DataFrame, truth: Truth) -> pd.Series:
    return (table["dataset"] == truth.dataset) & (table["protocol"] == truth.protocol)


def _renamed(table: pd.DataFrame, study: str) -> pd.DataFrame:
    return table.assign(variant=study + "/" + table["variant"].astype(str))


def _has_same_faces(rows: pd.DataFrame, truth: Truth) -> bool:
    try:
        wanted = truth.faces(int(rows["seed"].iloc[0]))
    except InputError:  # the seed has no split here
        return False
    both = (pd.MultiIndex.from_frame(table[FACE_KEY]).sort_values() for table in (rows, wanted))
    first, second = both
    return first.equals(second)


def _add_runs(found: Rivals, truth: Truth, root: Path, scored: set[str]) -> None:
    """Add runs of classifiers whose study was not scored; the score thresholds of others differ."""
    known: set[str] = set()
    for variant, seed, table in _unscored(truth, root, scored):
        rows = face_rows(variant, seed, table, best=variant not in known)
        known.add(variant)
        found.faces.append(rows)
        value = {"metric": "accuracy", "value": float(rows["correct"].mean())}
        found.results.append(pd.DataFrame([{"variant": variant, "seed": seed, **value}]))


def _unscored(
    truth: Truth, root: Path, scored: set[str]
) -> Iterator[tuple[str, int, pd.DataFrame]]:
    for path in sorted(root.glob("runs/*/*/*/*/run.json")):
        study, variant = path.parts[-5:-3]
        try:
            record = RunRecord.read(path)
            here = (record.name, record.protocol, record.task)
            if study in scored or here != (truth.dataset, truth.protocol, "classify"):
                continue
            table = read_predictions(path.parent / "predictions.parquet")
        except InputError:  # it is unfinished, or of another version
            continue
        if _has_same_faces(table.assign(seed=record.seed), truth):
            yield f"{study}/{variant}", record.seed, table
