"""A data set's raw folder: made, or unpacked from its archives, whole or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferbench.data.archives import extract, is_archive
from ferbench.data.origins import find_archives
from ferbench.data.source import Metadata, Source
from ferbench.data.walk import files_below
from ferbench.errors import InputError
from ferbench.files import digest, fresh_folder, sha256_file, write_json

__all__ = ["PROVENANCE", "fetch"]

PROVENANCE = ".ferbench.json"


def fetch(source: Source, name: str, archive: str | None, root: Path) -> dict[str, Any]:
    """Fill the raw folder `root` and record where its content is from.

    Args:
        source: the data set.
        name: of the source, for the record.
        archive: the row's `archive:` cell.
        root: replaced as a whole, and only after everything has succeeded.

    Returns:
        What `.ferbench.json` holds: source, archives (SHA-256 by name), files, and `unverified`,
        the archives of which no checksum is known.

    Raises:
        InputError: an archive is missing, has not the published checksum, or is refused; a folder
            holds what cannot be read or followed.
    """
    for leftover in root.parent.glob(f".{root.name}.*"):
        # A killed run cannot clean up after itself.
        shutil.rmtree(leftover, ignore_errors=True)
    with fresh_folder(root) as folder:
        sums = source.make(folder)
        if sums is None:
            sums = {}
            for path in find_archives(source.metadata, archive):
                sums[path.name] = _checked_sum(path, source.metadata)
                _place(path, folder)
        source.prepare(folder)
        record = {
            "source": name,
            "archives": sums,
            "files": sum(1 for _ in _files(folder)),
            "unverified": sorted(sums.keys() - source.metadata.sha256.keys()),
        }
        write_json(folder / PROVENANCE, record)
    return record


def _checked_sum(path: Path, metadata: Metadata) -> str:
    """SHA-256 of an archive, or of a folder's listing; refused if another one is published."""
    if path.is_dir():
        return digest({f.relative_to(path).as_posix(): _sum(f) for f in _files(path)})
    found = _sum(path)
    known = metadata.sha256.get(path.name, found)
    if found != known:
        raise InputError(
            f"wrong checksum: SHA-256 is {found}, not {known}",
            where=path,
            remedy="fetch it again; if this is another edition on purpose, give the file another "
            "name and write that into the row's `archive:`",
        )
    return found


def _sum(path: Path) -> str:
    """SHA-256 of a regular file; reading a pipe would never end."""
    if not path.is_file():
        raise InputError(
            "neither a file nor a folder but a pipe, socket or device",
            where=path,
            remedy="write a file or folder into the row's `archive:`",
        )
    try:
        return sha256_file(path)
    except OSError as error:
        raise _not_copied(path, error) from error


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, without litter and our own record."""
    return (path for path in files_below(folder) if path.name != PROVENANCE)


def _place(path: Path, folder: Path) -> None:
    """Put an archive's content, a folder's content or a single file into the raw folder."""
    if path.is_dir():
        for file in _files(path):
            # Archives lying directly in a folder are the data set's own parts.
            if file.parent == path and is_archive(file):
                extract(file, folder)
            else:
                _copy(file, folder / file.relative_to(path))
    elif is_archive(path):
        extract(path, folder)
    else:
        _copy(path, folder / path.name)


def _copy(file: Path, target: Path) -> None:
    """Copy a file. A hard link would let DVC write-protect the user's own file."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise FileExistsError
        shutil.copyfile(file, target)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{target.name} comes from two archives", where=file, remedy="remove one of the two"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _not_copied(file, error) from error


def _not_copied(file: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot be copied ({error.strerror})",
        where=file,
        remedy="give yourself leave to read it, and it a shorter path if that is too long",
    )
