"""Folders of data sets: which files they hold, where a layout begins, which ids images get.

No file is skipped silently. Links to files and folders are followed wherever they lead: users link
class folders from other disks, and the raw folder gets copies. Refused by name is what cannot be
followed or read: a link that leads nowhere or back to a folder that contains it, a pipe, socket or
device, a folder without permission, a name that is not UTF-8. Files that desktops leave behind
(`.DS_Store`, `__MACOSX`) are ignored.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ferbench.data.ingest.archives import Limits, is_litter
from ferbench.data.ingest.members import printable
from ferbench.data.ingest.source import Record
from ferbench.emotions import EMOTIONS, normalise
from ferbench.errors import InputError, unknown

__all__ = [
    "SUFFIXES",
    "emotion_of",
    "files_below",
    "find_files",
    "find_folder",
    "folders",
    "image_ids",
    "images",
    "read_lines",
    "read_table",
    "records",
]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")
# File names have at most 255 bytes; sources prepend words to ids, and stages append suffixes.
_LONGEST_ID = 180
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files below a folder, in a fixed order.

    Raises:
        InputError: an entry cannot be followed or read, or there are more files than in any data
            set.
    """
    limit = Limits().members
    for count, path in enumerate(_files_below(folder)):
        if count == limit:
            raise InputError(
                f"holds more than {limit} files",
                where=folder,
                remedy="look for links that lead to one folder many times, and remove them",
            )
        yield path


def _files_below(folder: Path) -> Iterator[Path]:
    entries = _entries(folder)
    yield from (path for path, mode in entries if not stat.S_ISDIR(mode))
    for path, mode in entries:
        if stat.S_ISDIR(mode):
            yield from _files_below(path)


def _entries(folder: Path) -> list[tuple[Path, int]]:
    """Files and folders in a folder with their modes, sorted by name."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  # names are all that is needed
    except OSError as error:
        raise _unreadable(folder, error) from error
    paths = [folder / name for name in names if not is_litter(PurePosixPath(name))]
    return [(path, _mode(path)) for path in paths]


def _mode(path: Path) -> int:
    """The mode of a file or folder, or of the target of a link."""
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{printable(path.name)} is not UTF-8",
            where=printable(str(path.parent)),
            remedy="rename it",
        ) from error
    try:
        found = path.stat()
    except OSError as error:
        if path.is_symlink():
            raise InputError(
                f"a link that leads nowhere ({path.readlink()})",
                where=path,
                remedy="remove it, or restore its target",
            ) from error
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(found.st_mode) and any(
        os.path.samestat(found, parent.stat()) for parent in path.absolute().parents
    ):
        raise InputError(
            "a link that leads back to a folder that contains it",
            where=path,
            remedy="remove it, or link the folder that is meant",
        )
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        raise InputError(
            "neither a file nor a folder but a pipe, socket or device",
            where=path,
            remedy="remove it from the data set's folder",
        )
    return found.st_mode


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot be read ({error.strerror})", where=path, remedy="correct its permissions"
    )


def folders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted by name, without hidden ones."""
    return [
        path for path, mode in _entries(folder) if stat.S_ISDIR(mode) and path.name[0] not in "._"
    ]


def images(folder: Path) -> list[Path]:
    """Files below a folder with a suffix of images, sorted by path; none if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in files_below(folder) if path.name.lower().endswith(SUFFIXES)),
        key=lambda p: p.relative_to(folder).as_posix(),
    )


def find_files(root: Path, tail: str) -> list[Path]:
    """Files at or below `root` whose path ends with the names in `tail`, sorted by path."""
    names = tuple(tail.split("/"))
    return sorted(path for path in files_below(root) if path.parts[-len(names) :] == names)


def find_folder(root: Path, children: Sequence[str]) -> Path | None:
    """The uppermost folder at or below `root` that holds all `children`; None if there is none.

    Archives wrap the same layout in folders of any name, so only the layout itself is looked for.
    """
    level = [root]
    while level:
        for folder in level:
            if all((folder / child).exists() for child in children):
                return folder
        level = [child for folder in level for child in folders(folder)]
    return None


def emotion_of(word: str, where: object, rename: dict[str, str] | None = None) -> str:
    """The emotion of a class word.

    Args:
        word: as the data set spells it.
        where: the place named in the error message.
        rename: the user's own words, looked up first.

    Raises:
        InputError: the word is no emotion.
    """
    renamed = {str(old): str(new) for old, new in (rename or {}).items()}
    emotion = normalise(renamed.get(word, word))
    if emotion is None:
        raise unknown("class", word, EMOTIONS, where=where)
    return emotion


def image_ids(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Distinct ids made of names, safe as file names.

    Names that would become one id all get a piece of their path's digest, so no id depends on their
    order. So do names that are too long for a file; their ends are kept.

    Args:
        names: one an image.
        paths: of the same images, all different, the same on every machine.

    >>> image_ids(["a/1", "b 2"], ["a/1.png", "b 2.png"])
    ['a_1', 'b_2']
    """
    plain = [_UNSAFE.sub("_", name) for name in names]
    times = Counter(plain)
    return [
        f"{safe[-_LONGEST_ID:]}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        if times[safe] > 1 or len(safe) > _LONGEST_ID
        else safe
        for safe, path in zip(plain, paths, strict=True)
    ]


def records(listed: Iterable[tuple[str, str, dict[str, Any]]]) -> list[Record]:
    """Records with ids made of names.

    Args:
        listed: of each image its name, see `image_ids`, its path, and its other fields.
    """
    rows = list(listed)
    ids = image_ids([name for name, _, _ in rows], [path for _, path, _ in rows])
    return [Record(i, path, **fields) for i, (_, path, fields) in zip(ids, rows, strict=True)]


def read_lines(path: Path) -> list[str]:
    """Lines of a text file.

    Raises:
        InputError: the file is absent, cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError("absent", where=path, remedy="fetch the data set again") from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=path, remedy="save it as UTF-8") from error
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=path, remedy="put the text file there"
        ) from error


def read_table(path: Path, columns: Sequence[str], remedy: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV file by column, without the spaces around their values; absent ones are empty.

    Raises:
        InputError: the file is not UTF-8 or no CSV, or lacks one of `columns` (`remedy` is then
            the advice given).
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [word.strip() for word in next(rows, [])]
            if missing := [word for word in columns if word not in header]:
                raise InputError(f"no column {', '.join(missing)}", where=path, remedy=remedy)
            for row in rows:
                padded = [value.strip() for value in row] + [""] * (len(header) - len(row))
                yield dict(zip(header, padded, strict=False))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"not a readable table: {error}",
            where=path,
            remedy="get it again, and save it as UTF-8 with commas if you have edited it",
        ) from error
