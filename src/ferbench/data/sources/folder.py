"""Your own data: a folder per class, optionally below a folder per split, or a list of images.

Forms: `<class>/**/*.jpg`, or `{train,val,test}/<class>/**/*.jpg` (also `valid`, `validation`,
`training`, `testing`), or any folders with a file `labels.csv` on top (columns `path` and `label`,
and `split`, `person` and `sequence` if they are known), inside any number of wrapping folders.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from ferbench.data.ingest.layout import emotion_of, folders, images, records
from ferbench.data.ingest.lists import header_of, is_list, read_list
from ferbench.data.ingest.source import Fault, Metadata, Reading, Source
from ferbench.emotions import in_order, normalise
from ferbench.errors import InputError

__all__ = ["Folder"]

_LIST = "labels.csv"
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class Folder(Source):
    """A folder per class.

    A file `labels.csv` decides alone, whatever the folders are called.

    Options: `rename` maps class words to emotions; `person_pattern` is a regular expression with
    one group, searched in file names (without suffix), that matches the name of the person.
    """

    METADATA = Metadata(
        title="A folder per class, or a list of images",
        citation="that of the data",
        licence="That of the data.",
        version="that of the data",
        images=None,
        emotions=(),
        faults="Not known. Without persons, a split cannot keep them apart.",
        steps="set the row's `archive:` to a folder, zip or tar archive with a folder per class, "
        "or with labels.csv (columns `path` and `label`, and `split`, `person`, `sequence`)",
    )
    OPTIONS: ClassVar[dict[str, Any]] = {"rename": {}, "person_pattern": None}

    def read(self, root: Path) -> Reading:
        """Records in the order of paths, or of the list; each image is one aligned face.

        Raises:
            InputError: there are neither class folders nor a list, or a row of the list is wrong.
        """
        table = _list_below(root)
        if table is not None:
            return self._listed(root, table)
        pattern = _compiled(self.options["person_pattern"])
        reading = Reading()
        listed: list[tuple[str, str, dict[str, Any]]] = []
        for split, top in self._parts(root):
            for folder in folders(top):
                emotion = emotion_of(folder.name, folder, self.options["rename"])
                for path in images(folder):
                    name = path.relative_to(root).as_posix()
                    match = pattern.search(path.stem) if pattern else None
                    person = match[1] if match else None
                    about = {"emotion": emotion, "person": person, "source_split": split}
                    listed.append((name.rsplit(".", 1)[0], name, about))
            reading.faults += [
                Fault(path.relative_to(root).as_posix(), "in no class folder")
                for path in images(top)
                if path.parent == top
            ]
        reading.records = records(listed)
        reading.emotions = tuple(in_order(record.emotion for record in reading.records))
        return reading

    def _listed(self, root: Path, table: Path) -> Reading:
        reading = read_list(table, root, self.options["rename"])
        known = dict.fromkeys(one.path for one in reading.records)
        absent = [path for path in known if not (root / path).is_file()]
        gone = set(absent)
        reading.records = [one for one in reading.records if one.path not in gone]
        reading.faults += [Fault(path, f"in {_LIST}, but not there") for path in absent]
        paths = (path.relative_to(root).as_posix() for path in images(root))
        reading.faults += [Fault(path, f"not in {_LIST}") for path in paths if path not in known]
        return reading

    def _parts(self, root: Path) -> list[tuple[str | None, Path]]:
        """Splits and the folders that hold their class folders."""
        top = root
        while True:
            below = folders(top)
            if any(folder.name.lower() in _SPLITS for folder in below):
                return [(_split(folder), folder) for folder in below]
            if len(below) != 1 or self._is_class(below[0].name):
                break
            top = below[0]
        if not below:
            raise InputError("no class folders", where=top, remedy=self.METADATA.steps)
        return [(None, top)]

    def _is_class(self, word: str) -> bool:
        return word in self.options["rename"] or normalise(word) is not None


def _list_below(root: Path) -> Path | None:
    """The list of a data set, on top of it or in the only folder there."""
    top = root
    while not (top / _LIST).is_file():
        below = folders(top)
        if len(below) != 1:
            return None
        top = below[0]
    table = top / _LIST
    if not is_list(header := header_of(table)):
        raise InputError(
            f"columns are {', '.join(header)}",
            where=table,
            remedy="a list has columns `path` and `label`; give a file about other things another "
            "name",
        )
    return table


def _split(folder: Path) -> str:
    try:
        return _SPLITS[folder.name.lower()]
    except KeyError:
        raise InputError(
            "not a split, but beside folders of splits",
            where=folder,
            remedy=f"name it one of {', '.join(_SPLITS)}, or move it away",
        ) from None


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise InputError(
            f"not a regular expression: {error}",
            where="options: person_pattern",
            remedy="write one with one group around the name of the person, such as '^(s[0-9]+)_'",
        ) from error
    if compiled.groups != 1:
        raise InputError(
            f"{compiled.groups} groups in {pattern!r}",
            where="options: person_pattern",
            remedy="put parentheses around the name of the person only, such as '^(s[0-9]+)_'",
        )
    return compiled
