"""Where a data set's archives are: the row's cell, the user's data folder, Kaggle, or a URL."""

from __future__ import annotations

import errno
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ferbench.data.archives import extract, is_archive
from ferbench.data.layout import files_below
from ferbench.data.source import Metadata, Source
from ferbench.environment import CACHE
from ferbench.errors import InputError
from ferbench.files import digest, fresh_folder, sha256_file, whole_file, write_json

__all__ = ["PROVENANCE", "data_folder", "fetch", "find_archives"]

_TIMEOUT_S = 60


def data_folder() -> Path | None:
    """The folder that the environment variable FERBENCH_DATA names, None if it is not set.

    Raises:
        InputError: it names no folder.
    """
    name = os.environ.get("FERBENCH_DATA")
    if not name:
        return None
    if not Path(name).is_dir():
        raise InputError(
            "no folder", where=f"FERBENCH_DATA={name}", remedy="name the folder with the archives"
        )
    return Path(name)


def find_archives(metadata: Metadata, archive: str | None) -> list[Path]:
    """Files and folders that together hold the data set; fetched if they are not here yet.

    Args:
        metadata: of the source.
        archive: the row's cell: a file, a folder, `kaggle:<owner>/<name>`, a URL, or None.

    Raises:
        InputError: something is missing; the message says how to get it.
    """
    places = [folder for folder in (data_folder(),) if folder]
    first: Path | None = None
    if archive:
        first = _named(archive, places, metadata)
        if first.is_dir() and not _all_in(metadata, [first]):
            return [first]
        places = [first if first.is_dir() else first.parent, *places]
    found = {name: _look_up(name, metadata, places) for name in metadata.archives}
    if first and not first.is_dir():
        found[_stands_for(first, metadata)] = first
    if not found:
        raise _missing(metadata, ["the row's `archive:`"], "not set")
    absent = [name for name, path in found.items() if path is None]
    if absent:
        found |= _fetch(metadata, absent)
    return [path for path in found.values() if path]


def _all_in(metadata: Metadata, places: Sequence[Path]) -> bool:
    return bool(metadata.archives) and all(
        _look_up(name, metadata, places) for name in metadata.archives
    )


def _look_up(name: str, metadata: Metadata, places: Sequence[Path]) -> Path | None:
    names = (name, *metadata.alternatives.get(name, ()))
    paths = (place / other for place in places for other in names)
    return next((path for path in paths if path.exists()), None)


def _stands_for(path: Path, metadata: Metadata) -> str:
    """The archive that a file of the user's own name takes the place of: the first, if unknown."""
    for name in metadata.archives:
        if path.name in (name, *metadata.alternatives.get(name, ())):
            return name
    return metadata.archives[0] if metadata.archives else path.name


def _named(archive: str, places: Sequence[Path], metadata: Metadata) -> Path:
    """The file or folder that the row's cell names."""
    if archive.startswith("kaggle:"):
        return _from_kaggle(archive.removeprefix("kaggle:"), metadata)
    if urlsplit(archive).scheme in ("http", "https"):
        return _from_url(archive, metadata)
    for place in (Path(), *places):
        if (place / archive).exists():
            return place / archive
    raise _missing(metadata, [archive], "no such file or folder, here or in FERBENCH_DATA")


def _fetch(metadata: Metadata, absent: list[str]) -> dict[str, Path]:
    """Missing archives from Kaggle or the URL; nothing is fetched unless all can be."""
    ways: dict[str, str] = {}
    for name in absent:
        if metadata.url and _file_name(metadata.url) in (
            name,
            *metadata.alternatives.get(name, ()),
        ):
            ways[name] = "url"
        elif metadata.kaggle and name == metadata.archives[0]:
            ways[name] = "kaggle"
    if len(ways) < len(absent):
        raise _missing(metadata, [name for name in absent if name not in ways], "not found")
    return {
        name: _from_url(metadata.url or "", metadata)
        if way == "url"
        else _from_kaggle(metadata.kaggle or "", metadata)
        for name, way in sorted(ways.items(), key=lambda item: item[1])
    }


def _missing(metadata: Metadata, names: Sequence[str], why: str) -> InputError:
    folder = os.environ.get("FERBENCH_DATA") or "not set"
    return InputError(
        f"{', '.join(names)}: {why} (FERBENCH_DATA: {folder}). Licence: {metadata.licence}",
        where=metadata.title,
        remedy=metadata.steps,
    )


def _from_kaggle(handle: str, metadata: Metadata) -> Path:
    """Folder of a Kaggle data set, by the user's own credentials."""
    os.environ.setdefault("KAGGLEHUB_CACHE", str(CACHE / "kagglehub"))
    import kagglehub
    from kagglehub.config import get_kaggle_credentials

    steps = (
        "accept the data set's terms on its Kaggle page, make an API token under Settings > API, "
        "and set KAGGLE_API_TOKEN (or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into "
        "~/.kaggle)"
    )
    where = f"kaggle:{handle}"
    remedy = f"either {steps}; or {metadata.steps}"
    if get_kaggle_credentials() is None:
        raise InputError("no Kaggle credentials", where=where, remedy=remedy)
    try:
        return Path(kagglehub.dataset_download(handle))
    # The client raises many kinds, its own and its HTTP library's; all mean the same to the user.
    except Exception as error:
        raise InputError(f"Kaggle answers: {error}", where=where, remedy=remedy) from error


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path).rsplit("/", 1)[-1]


def _from_url(url: str, metadata: Metadata) -> Path:
    """A file behind a URL, kept in the project's cache."""
    name = _file_name(url)
    if urlsplit(url).scheme not in ("http", "https") or not name:
        raise InputError("no http(s) address of a file", where=url, remedy="correct `archive:`")
    path = CACHE / "archives" / digest(url)[:12] / name
    if path.exists():
        return path
    try:
        # The scheme is checked above, so no local file can be meant.
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, whole_file(path) as file:
            with file.open("wb") as out:
                shutil.copyfileobj(answer, out)
            declared = answer.headers.get("Content-Length")
            if declared and int(declared) != file.stat().st_size:
                raise urllib.error.URLError("the connection ended early")
    except (urllib.error.URLError, TimeoutError) as error:
        raise InputError(
            f"cannot be fetched: {error}", where=url, remedy=f"try again; or {metadata.steps}"
        ) from error
    return path


# MERGED from ferbench.data.fetch:
# A data set's raw folder: made, or unpacked from its archives, whole or not at all.


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
