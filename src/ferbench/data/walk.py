"""A data set's folder, walked so that nothing in it is passed over in silence.

Links to files and folders are followed wherever they lead: who puts a class folder on another disk
links it, and the raw folder gets copies. What cannot be followed or read is refused by its name: a
link that leads nowhere or back to a folder that contains it, a pipe, socket or device, a folder
without permission, a name that is no UTF-8. What desktops leave behind is no part of a data set.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ferbench.data.archives import Limits, is_litter
from ferbench.data.members import shown
from ferbench.errors import InputError

__all__ = ["files_below", "folders_in"]


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
