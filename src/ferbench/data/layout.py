"""A data set's folder, walked so that nothing in it is passed over in silence.

Links to files and folders are followed wherever they lead: who puts a class folder on another disk
links it, and the raw folder gets copies. What cannot be followed or read is refused by its name: a
link that leads nowhere or back to a folder that contains it, a pipe, socket or device, a folder
without permission, a name that is no UTF-8. What desktops leave behind is no part of a data set.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ferbench.data.archives import Limits, is_litter
from ferbench.data.members import shown
from ferbench.emotions import EMOTIONS, normalise
from ferbench.errors import InputError, unknown

__all__ = [
    "SUFFIXES",
    "emotion_of",
    "files_below",
    "find_files",
    "find_folder",
    "folders",
    "folders_in",
    "image_ids",
    "images",
    "read_lines",
]


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files below a folder, in a fixed order, without litter.

    Raises:
        InputError: something in it cannot be followed or read, or there are more files than in any
            data set.
    """
    most = Limits().members
    for count, path in enumerate(_files_below(folder)):
        if count == most:
            raise InputError(
                f"holds more than {most} files",
                where=folder,
                remedy="look for links that lead to one folder many times, and remove them",
            )
        yield path


def _files_below(folder: Path) -> Iterator[Path]:
    below = []
    for path, mode in _entries(folder):
        if stat.S_ISDIR(mode):
            below.append(path)
        else:
            yield path
    for path in below:
        yield from _files_below(path)


def folders_in(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted by name, without litter.

    Raises:
        InputError: something in it cannot be followed or read.
    """
    return [path for path, mode in _entries(folder) if stat.S_ISDIR(mode)]


def _entries(folder: Path) -> list[tuple[Path, int]]:
    """Files and folders in a folder with their modes, sorted by name."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  # names are all that is needed
    except OSError as error:
        raise _unreadable(folder, error) from error
    paths = [folder / name for name in names if not is_litter(PurePosixPath(name))]
    return [(path, _mode(path)) for path in paths]


def _mode(path: Path) -> int:
    """The mode of a file or folder, or of what a link leads to."""
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{shown(path.name)} is no UTF-8", where=shown(str(path.parent)), remedy="rename it"
        ) from error
    try:
        found = path.stat()
    except OSError as error:
        if path.is_symlink():
            raise InputError(
                f"a link that leads nowhere ({path.readlink()})",
                where=path,
                remedy="remove it, or put there what it leads to",
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
        f"cannot be read ({error.strerror})", where=path, remedy="give yourself leave to read it"
    )


# MERGED from ferbench.data.layout:
# Questions that every published folder layout asks: where it begins, which images it holds.


SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")
# File systems take 255 bytes; sources put words before ids, and stages suffixes behind them.
_LONGEST = 180
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")


def folders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted by name, without hidden ones and litter."""
    return [path for path in folders_in(folder) if path.name[0] not in "._"]


def images(folder: Path) -> list[Path]:
    """Files below a folder that are named like images, sorted by path; none without the folder."""
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


def _levels(root: Path) -> Iterator[Path]:
    """All folders from `root` down, level by level, sorted in each."""
    level = [root]
    while level:
        yield from level
        level = [child for folder in level for child in folders(folder)]


def find_folder(root: Path, children: Sequence[str]) -> Path | None:
    """The uppermost folder at or below `root` that holds all `children`; None if there is none.

    Archives wrap the same layout in folders of any name, so only the layout itself is looked for.
    """
    for folder in _levels(root):
        if all((folder / child).exists() for child in children):
            return folder
    return None


def emotion_of(word: str, where: object, rename: dict[str, str] | None = None) -> str:
    """The emotion that a class word stands for.

    Args:
        word: as the data set spells it.
        where: the place that is named if the word is unknown.
        rename: the user's own words, looked up first.

    Raises:
        InputError: the word stands for no emotion.
    """
    renamed = {str(old): str(new) for old, new in (rename or {}).items()}
    emotion = normalise(renamed.get(word, word))
    if emotion is None:
        raise unknown("class", word, EMOTIONS, where=where)
    return emotion


def image_ids(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Names as ids that are safe as file names and differ from one another.

    Names that would become one id all get a piece of their path's digest, so no id depends on their
    order. So do names that are too long for a file, of which the end is kept.

    Args:
        names: what the ids shall be like.
        paths: of the same images, all different, in a form that is the same on every machine.

    >>> image_ids(["a/1", "b 2"], ["a/1.png", "b 2.png"])
    ['a_1', 'b_2']
    """
    plain = [_UNSAFE.sub("_", name) for name in names]
    times = Counter(plain)
    return [
        f"{safe[-_LONGEST:]}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        if times[safe] > 1 or len(safe) > _LONGEST
        else safe
        for safe, path in zip(plain, paths, strict=True)
    ]


def read_lines(path: Path) -> list[str]:
    """Lines of a text file.

    Raises:
        InputError: the file is absent, cannot be read or is no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError("absent", where=path, remedy="fetch the data set again") from error
    except UnicodeDecodeError as error:
        raise InputError("no UTF-8 text", where=path, remedy="save it as UTF-8") from error
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=path, remedy="put the text file there"
        ) from error
