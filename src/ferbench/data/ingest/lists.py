"""Lists of images: a CSV file with a path and a label a row, and a split, person and sequence.

Columns are found by their usual names in any order and case, and others are ignored. Paths start at
the folder of the list, or at `images/` in it; none may lead outside of the data set's folder.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ferbench.data.ingest.layout import emotion_of, read_table, records
from ferbench.data.ingest.source import Fault, Reading
from ferbench.emotions import in_order
from ferbench.errors import InputError, unknown

__all__ = ["RENAME_ADVICE", "SPLIT_WORDS", "header_of", "is_list", "read_list"]

_COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path", "filepath"),
    "label": ("label", "emotion", "expression", "class", "category"),
    "split": ("split", "source_split", "usage", "subset", "set"),
    "person": ("person", "subject", "identity", "person_id", "subject_id"),
    "sequence": ("sequence", "video", "clip"),
}
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "publictest"), "val"),
    **dict.fromkeys(("test", "testing", "privatetest"), "test"),
}
# The option of commands, and of a study's data set.
RENAME_ADVICE = (
    "`--rename WORD=EMOTION` (in a study, `options: {rename: {WORD: EMOTION}}`) says what a word "
    "of your own stands for"
)
_REMEDY = "the first line names the columns, such as `path,label,split,person`"


def header_of(table: Path) -> list[str]:
    """The column names of a CSV file, in lower case.

    Raises:
        InputError: it is not UTF-8, or no CSV.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return [word.strip().lower() for word in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"not a readable table: {error}", where=table, remedy=_REMEDY) from error


def is_list(header: Iterable[str]) -> bool:
    """Whether a header has a column of paths and one of labels.

    >>> is_list(["file", "emotion", "age"]), is_list(["emotion", "pixels"])
    (True, False)
    """
    names = set(header)
    return all(names.intersection(_COLUMNS[what]) for what in ("path", "label"))


def read_list(table: Path, root: Path, rename: Mapping[str, str] | None = None) -> Reading:
    """Records of a list, one a row. A file that two rows list has two records, as if it were two.

    Args:
        table: the CSV file.
        root: folder of the data set, which the list is in.
        rename: the emotion that each class word of the data's own stands for.

    Raises:
        InputError: a row has no path, or a label or split that is unknown.
    """
    column = _columns(table)
    times: Counter[str] = Counter()
    listed, faults = [], []
    for number, row in enumerate(_rows(table, column.values()), 2):  # the header is row 1
        where = f"{table}: row {number}"
        given = row[column["path"]].replace("\\", "/")
        if not given:
            raise InputError("no path", where=where, remedy="write one, or delete the row")
        path = _inside(given, table.parent, root)
        if path is None:
            faults.append(Fault(given, f"row {number}: leads outside of the data set's folder"))
            continue
        about = {"emotion": _emotion(row[column["label"]], where, rename)}
        if split := row.get(column.get("split", ""), ""):
            about["source_split"] = _split(split, where)
        for what in ("person", "sequence"):
            if value := row.get(column.get(what, ""), ""):
                about[what] = value
        name = PurePosixPath(path).with_suffix("").as_posix()
        again = f"_row{number}" if times[path] else ""
        times[path] += 1
        listed.append((name + again, path, about))
    found = records(listed)
    return Reading(found, faults, emotions=tuple(in_order(record.emotion for record in found)))


def _columns(table: Path) -> dict[str, str]:
    """The list's own name, in lower case, of each of our columns that it has."""
    header = header_of(table)
    found = {}
    for what, names in _COLUMNS.items():
        here = [name for name in names if name in header]
        if here:
            found[what] = here[0]
    return found


def _rows(table: Path, columns: Iterable[str]) -> Iterable[dict[str, str]]:
    wanted = set(columns)
    for row in read_table(table, (), _REMEDY):
        yield {name.lower(): value for name, value in row.items() if name.lower() in wanted}


def _inside(given: str, beside: Path, root: Path) -> str | None:
    """A path relative to `root`; None if it leads outside."""
    for folder in (beside, beside / "images"):
        if (folder / given).is_file():
            break
    else:
        folder = beside
    # Only the text of the path is judged: links are followed, as in folders of classes.
    path = Path(os.path.normpath(folder.absolute() / given))
    top = Path(os.path.normpath(root.absolute()))
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else None


def _emotion(word: str, where: str, rename: Mapping[str, str] | None) -> str:
    if not word:
        raise InputError("no label", where=where, remedy="write one, or delete the row")
    try:
        return emotion_of(word, where, dict(rename or {}))
    except InputError as error:
        advice = f"{error.remedy}; {RENAME_ADVICE}"
        raise InputError(error.what, where=where, remedy=advice) from error


def _split(word: str, where: str) -> str:
    try:
        return SPLIT_WORDS[word.lower()]
    except KeyError:
        raise unknown("split", word, SPLIT_WORDS, where=where) from None
