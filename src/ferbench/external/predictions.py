"""Files of predictions from anywhere: read, matched with a data set's test faces, and checked.

A file is CSV or parquet with a row per face: the image as `image_id`, `md5` or `path`, then a
column of probabilities per class, named by any usual spelling. Optional columns: `face` (number of
the face in its image, from 0), `target` (its label, which is compared), `model` and `seed`. A row
of zeros is a miss: no prediction for the face.

Every error names its row. Rows of images that are not tested (train, val, copies that
deduplication left out) are counted and not used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import FACE_KEY
from ferbench.emotions import normalise
from ferbench.errors import InputError
from ferbench.external.truth import Truth

__all__ = ["PATTERN", "JudgedFile", "JudgedRun", "read_predictions_of"]

# Model and seed in the name of a file, without suffix: `resnet_seed3`.
PATTERN = r"(?P<model>.+?)[-_.]?seed[-_.]?(?P<seed>\d+)"
_IDS = {
    "image_id": ("image_id", "id"),
    "md5": ("md5",),
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "filepath"),
}
_TARGET = ("target", "label", "emotion")
_MODEL, _SEED, _FACE = ("model", "variant"), ("seed",), ("face",)
_MOST_BYTES, _MOST_ROWS = 2 << 30, 10_000_000
_TOLERANCE = 1e-2  # of a sum: half precision rounds by as much
_NAMED = 5  # rows that a message lists
_LONGEST_NAME = 100


@dataclass(frozen=True, eq=False)
class JudgedRun:
    """The predictions of one training.

    Args:
        model: its name.
        seed: of the training.
        table: image_id, face, target, then a column per class in canonical order, as in
            `ferbench.artifacts.predictions`; all test faces.
    """

    model: str
    seed: int
    table: pd.DataFrame


@dataclass(frozen=True)
class JudgedFile:
    """What was read from a file.

    Args:
        path: of the file.
        runs: model and seed of each of its runs.
        rows: in the file.
        unused: number of rows by why they are not used.
        missed: test faces that it does not predict.
    """

    path: str
    runs: list[tuple[str, int]]
    rows: int
    unused: dict[str, int] = field(default_factory=dict)
    missed: int = 0


def read_predictions_of(
    path: Path, truth: Truth, *, pattern: str = PATTERN, missing: bool = False
) -> tuple[JudgedFile, list[JudgedRun]]:
    """Read and check a file.

    Args:
        path: of the file.
        truth: that it is judged by.
        pattern: regular expression with groups `model` and `seed` of names of files, without
            suffix; a file with other columns or another name is one model with seed 0.
        missing: whether faces without a prediction count as misses; otherwise they are an error.

    Raises:
        InputError: a row, a column or the whole is wrong.
    """
    file = _File(path, _read(path))
    classes = file.class_columns(truth.classes)
    table = file.matched(truth).assign(**file.probabilities(classes))
    file.check(table, truth.classes)
    model, seed = _named(path, pattern)
    table["model"] = file.text(_MODEL, model)
    table["seed"] = file.numbers(_SEED, seed)
    file.refuse(
        ~table["model"].map(_is_name).to_numpy(bool),
        lambda row: f"the model's name {table.at[row, 'model']!s:.200} cannot be shown",
        "give it one of at most 100 printable characters",
    )
    found, missed, unused = [], 0, Counter[str]()
    for key, rows in table.groupby(["model", "seed"], sort=True):
        name, number = (str(word) for word in key)
        run = _run(file, rows, truth, (name, int(number)))
        unused.update(run.unused)
        if run.missed and not missing:
            raise _incomplete(run, truth, path)
        found.append(JudgedRun(run.model, run.seed, run.table))
        missed += len(run.missed)
    names = [(run.model, run.seed) for run in found]
    return JudgedFile(str(path), names, len(table), dict(unused), missed), found


def _read(path: Path) -> pd.DataFrame:
    """All columns as they are; text of a CSV file."""
    remedy = "write a CSV or parquet file with a row per image"
    if not path.is_file():
        raise InputError("no such file", where=path, remedy=remedy)
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"has more than {_MOST_BYTES} bytes", where=path, remedy=remedy)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
        else:
            options: Any = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
            table = pd.read_csv(path, nrows=_MOST_ROWS + 1, index_col=False, **options)
    # Readers of damaged files raise almost anything.
    except Exception as error:
        raise InputError(f"cannot be read: {error}", where=path, remedy=remedy) from error
    if table.empty or len(table) > _MOST_ROWS:
        what = "no row" if table.empty else f"more than {_MOST_ROWS} rows"
        raise InputError(what, where=path, remedy=remedy)
    return table.rename(columns=lambda name: str(name).strip()).reset_index(drop=True)


def _is_name(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= _LONGEST_NAME


def _named(path: Path, pattern: str) -> tuple[str, int]:
    """Model and seed by the name of a file."""
    try:
        match = re.compile(pattern).fullmatch(path.stem)
        groups = match.groupdict() if match else {"model": path.stem, "seed": "0"}
        return groups["model"] or path.stem, int(groups["seed"])
    except (re.error, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"no regular expression with groups `model` and `seed` (a number): {error}",
            where=f"--pattern {pattern}",
            remedy=f"the default is {PATTERN}",
        ) from error


class _File:
    """A table of predictions, with its columns found and messages that name its rows."""

    def __init__(self, path: Path, table: pd.DataFrame) -> None:
        self.path, self.table = path, table
        self._first = 0 if path.suffix.lower() in (".parquet", ".pq") else 2
        self.columns = [str(name) for name in table]
        self._names = {name.lower(): name for name in self.columns}

    def column(self, names: Iterable[str]) -> str | None:
        """The table's own name of the first of some columns that it has."""
        return next((self._names[name] for name in names if name in self._names), None)

    def refuse(self, wrong: NDArray[np.bool_], what: Callable[[int], str], remedy: str) -> None:
        """Raise if a row is wrong, naming the first ones.

        Args:
            wrong: (rows,).
            what: says what is wrong with a row.
            remedy: for all of them.
        """
        rows = np.flatnonzero(wrong).tolist()
        if not rows:
            return
        more = [str(row + self._first) for row in rows[1:_NAMED]]
        dots = ", …" if len(rows) > _NAMED else ""
        others = f" (the same holds for {len(rows) - 1} more rows: {', '.join(more)}{dots})"
        raise InputError(
            what(rows[0]) + (others if more else ""),
            where=f"{self.path}: row {rows[0] + self._first}",
            remedy=remedy,
        )

    def class_columns(self, classes: Sequence[str]) -> dict[str, str]:
        """The table's column of each class.

        Raises:
            InputError: a class has no column, or two; or a column is of another class.
        """
        found: dict[str, str] = {}
        taken = {self.column(names) for names in (*_IDS.values(), _TARGET, _MODEL, _SEED, _FACE)}
        for name in self.columns:
            emotion = normalise(name)
            if emotion is None or name in taken:
                continue
            if emotion in found:
                raise self._columns(f"{found[emotion]} and {name} are both {emotion}", classes)
            found[emotion] = name
        if missing := [emotion for emotion in classes if emotion not in found]:
            raise self._columns(f"no column for {', '.join(missing)}", classes)
        if strange := [emotion for emotion in found if emotion not in classes]:
            raise self._columns(f"{', '.join(strange)}: no class of the data set", classes)
        return {emotion: found[emotion] for emotion in classes}

    def _columns(self, what: str, classes: Sequence[str]) -> InputError:
        shown = ", ".join(self.columns[:30])
        return InputError(
            f"{what} (columns are {shown})",
            where=self.path,
            remedy=f"a column of probabilities for each of {', '.join(classes)}, which sum to 1",
        )

    def probabilities(self, columns: Mapping[str, str]) -> dict[str, NDArray[np.float64]]:
        """By class, the numbers of its column.

        Raises:
            InputError: one is no number, or negative; or those of a row do not sum to 1.
        """
        numbers = {
            emotion: pd.to_numeric(self.table[name], errors="coerce").to_numpy(np.float64)
            for emotion, name in columns.items()
        }
        prob = np.stack(list(numbers.values()), axis=1)

        def cell(row: int) -> str:
            place = int(np.flatnonzero(~(np.isfinite(prob[row]) & (prob[row] >= 0)))[0])
            name = list(columns.values())[place]
            return f"{name} is {self.table[name].iloc[row]!r}, not a number from 0 to 1"

        remedy = "write probabilities; a softmax turns scores into them"
        self.refuse(~(np.isfinite(prob) & (prob >= 0)).all(axis=1), cell, remedy)
        total = prob.sum(axis=1)
        fair = (np.abs(total - 1) <= _TOLERANCE) | (total == 0)
        self.refuse(
            ~fair,
            lambda row: f"probabilities sum to {total[row]:.4g}, neither to 1 nor, for a miss, 0",
            remedy,
        )
        return numbers

    def matched(self, truth: Truth) -> pd.DataFrame:
        """image_id and face of every row, whether the image is known, and why it is not used.

        Raises:
            InputError: there is no column that names images, or a row names none of the data set.
        """
        kind, column = next(
            ((kind, name) for kind, names in _IDS.items() if (name := self.column(names))),
            (None, None),
        )
        if kind is None or column is None:
            raise InputError(
                f"no column image_id, md5 or path (columns are {', '.join(self.columns)})",
                where=self.path,
                remedy="name the image of each row by its id, the MD5 of its file, or its path",
            )
        words = self.table[column].astype(str).str.strip()
        found = _MATCHERS[kind](words, truth.index)
        self.refuse(
            found.isna().to_numpy(),
            lambda row: f"{column} {words.iloc[row]!r} is no image of {truth.dataset}, or several",
            "`ferbench judge --write-split FILE` lists the images with their ids, MD5 and paths",
        )
        kept = truth.index["dropped_reason"].isna() & truth.index["image_id"].notna()
        reasons = truth.index.loc[~kept].set_index("image_id")["dropped_reason"]
        why = found.map(reasons.groupby(level=0).first()).astype(object)
        return pd.DataFrame(
            {
                "image_id": found,
                "face": self.numbers(_FACE, 0),
                "why": why.where(why.notna(), "not in test"),
            }
        )

    def text(self, names: Iterable[str], otherwise: str) -> pd.Series:
        """A column of words; the same word in every row if there is no such column."""
        column = self.column(names)
        if column is None:
            return pd.Series(otherwise, self.table.index)
        words = self.table[column].astype(str).str.strip()
        self.refuse((words == "").to_numpy(), lambda row: f"no {column}", "write one")
        return words

    def numbers(self, names: Iterable[str], otherwise: int) -> pd.Series:
        """A column of whole numbers from 0; the same in every row if there is no such column."""
        column = self.column(names)
        if column is None:
            return pd.Series(otherwise, self.table.index)
        values = pd.to_numeric(self.table[column], errors="coerce")
        wrong = ~(values.ge(0) & (values % 1 == 0)).to_numpy()
        self.refuse(
            wrong,
            lambda row: f"{column} is {self.table[column].iloc[row]!r}, not a whole number from 0",
            "correct it",
        )
        return values.astype("int64")

    def check(self, table: pd.DataFrame, classes: Sequence[str]) -> None:
        """Keep the labels of the file, if it has any, in the column `said`."""
        column = self.column(_TARGET)
        table["said"] = None
        if column is None:
            return
        words = self.table[column].astype(str)
        table["said"] = words.map({word: normalise(word) for word in words.unique()})
        self.refuse(
            ~table["said"].isin(classes).to_numpy(),
            lambda row: f"{column} {words.iloc[row]!r} is none of {', '.join(classes)}",
            "correct it, or leave the column out",
        )


class _Matched(NamedTuple):
    """A run's predictions for all test faces, the faces that it misses, and why rows are unused."""

    model: str
    seed: int
    table: pd.DataFrame
    missed: list[tuple[str, int]]
    unused: Counter[str]


def _run(file: _File, rows: pd.DataFrame, truth: Truth, name: tuple[str, int]) -> _Matched:
    """Match the rows of one run with the test faces of its seed.

    Raises:
        InputError: a face is predicted twice, or a row has another label than the data set.
    """
    faces = truth.faces(name[1])
    wanted = pd.MultiIndex.from_frame(faces[FACE_KEY])
    target = pd.Series(faces["target"].to_numpy(object), wanted)
    tested = pd.MultiIndex.from_frame(rows[FACE_KEY]).isin(wanted)
    own = rows[tested].drop_duplicates([*FACE_KEY, *truth.classes])
    _refuse_repeated(file, own)
    here = pd.MultiIndex.from_frame(own[FACE_KEY])
    _refuse_other_labels(file, own, target.reindex(here).to_numpy(object))
    prob = own.set_index(FACE_KEY)[truth.classes].reindex(wanted).fillna(0.0)
    table = faces[[*FACE_KEY, "target"]].reset_index(drop=True)
    return _Matched(
        *name,
        table=table.join(prob.reset_index(drop=True)),
        missed=wanted[~wanted.isin(here)].tolist(),
        unused=Counter(rows.loc[~tested, "why"].tolist()),
    )


def _refuse_repeated(file: _File, own: pd.DataFrame) -> None:
    wrong = np.zeros(len(file.table), np.bool_)
    wrong[own.index[own.duplicated(FACE_KEY)]] = True
    file.refuse(
        wrong,
        lambda row: f"another prediction for image {own.at[row, 'image_id']!s}",
        "leave one row for each face, or tell runs apart by columns `model` and `seed`",
    )


def _refuse_other_labels(file: _File, own: pd.DataFrame, labels: NDArray[Any]) -> None:
    said, wrong = own["said"].to_numpy(object), np.zeros(len(file.table), np.bool_)
    wrong[own.index[pd.notna(said) & (said != labels)]] = True
    of_row = dict(zip(own.index.tolist(), labels.tolist(), strict=True))
    file.refuse(
        wrong,
        lambda row: f"the label is {own.at[row, 'said']!s}, the data set's is {of_row[row]}",
        "the file is of another edition of the data set; without the column it is not compared",
    )


def _incomplete(run: _Matched, truth: Truth, path: Path) -> InputError:
    shown = ", ".join(image for image, _ in run.missed[:_NAMED])
    return InputError(
        f"{run.model}, seed {run.seed}: {len(run.missed)} of {len(run.table)} test faces of "
        f"{truth.dataset} have no prediction, such as {shown}",
        where=path,
        remedy="predict them; or count them as wrong with --missing; `--write-split FILE` lists "
        "the test images",
    )


def _by_id(words: pd.Series, index: pd.DataFrame) -> pd.Series:
    return words.where(words.isin(index["image_id"].dropna()))


def _by_md5(words: pd.Series, index: pd.DataFrame) -> pd.Series:
    """The kept image of a file, or else one of those that were dropped."""
    known = index[index["md5"].notna()]
    order = known["dropped_reason"].notna().sort_values(kind="stable").index
    first = known.loc[order].drop_duplicates("md5").set_index("md5")["image_id"]
    return words.str.lower().map(first)


def _by_path(words: pd.Series, index: pd.DataFrame) -> pd.Series:
    """The image whose path is the word, ends with it, or is what it ends with; if only one is."""
    known = index.dropna(subset="image_id").drop_duplicates("image_id")
    by_name: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for path, image_id in zip(known["path"], known["image_id"], strict=True):
        parts = PurePosixPath(path).parts
        by_name.setdefault(parts[-1], []).append((parts, image_id))

    def match(word: str) -> str | None:
        parts = PurePosixPath(word.replace("\\", "/")).parts
        near = by_name.get(parts[-1], []) if parts else []
        found = []
        for known_parts, image_id in near:
            length = min(len(parts), len(known_parts))
            if parts[-length:] == known_parts[-length:]:
                found.append(image_id)
        return found[0] if len(found) == 1 else None

    return words.map({word: match(word) for word in words.unique()})


_MATCHERS: Mapping[str, Callable[[pd.Series, pd.DataFrame], pd.Series]] = {
    "image_id": _by_id,
    "md5": _by_md5,
    "path": _by_path,
}
