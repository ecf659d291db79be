"""The raw folder of a data set: generated, or unpacked from its archives.

Archives are looked for in the column `archive` of the row, the user's data folder, Kaggle, and the
URL of the data set, in this order.
"""

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

from ferbench.data.ingest.archives import extract, is_archive
from ferbench.data.ingest.layout import files_below
from ferbench.data.ingest.source import Metadata, Source
from ferbench.environment import CACHE
from ferbench.errors import InputError
from ferbench.files import digest, fresh_folder, read_json, sha256_file, whole_file, write_json

__all__ = ["PROVENANCE", "data_folder", "fetch", "find_archives", "read_provenance"]

PROVENANCE = ".ferbench.json"
_TIMEOUT_S = 60


def fetch(source: Source, name: str, archive: str | None, root: Path) -> dict[str, Any]:
    """Fill the raw folder `root` and record where its content is from.

    Args:
        source: the data set.
        name: of the source, for the record.
        archive: the column `archive` of the row.
        root: replaced as a whole, and only after everything has succeeded.

    Returns:
        The content of `.ferbench.json`: source, archives (SHA-256 by name), files, and
        `unverified`, the archives of which no checksum is known.

    Raises:
        InputError: an archive is missing, has another checksum than the published one, or is
            refused; a folder holds something that cannot be read or followed.
    """
    for leftover in root.parent.glob(f".{root.name}.*"):
        # A killed run cannot clean up after itself.
        shutil.rmtree(leftover, ignore_errors=True)
    with fresh_folder(root) as folder:
        sums = source.make(folder)
        if sums is None:
            sums = {}
            for path in find_archives(source.metadata, archive):
                sums[path.name] = _checksum(path, source.metadata)
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


def read_provenance(root: Path) -> dict[str, Any]:
    """The record that `fetch` wrote.

    Raises:
        InputError: there is none.
    """
    if not (root / PROVENANCE).is_file():
        raise InputError("missing", where=root / PROVENANCE, remedy="run stage download again")
    return dict(read_json(root / PROVENANCE))


def data_folder() -> Path | None:
    """The folder in the environment variable FERBENCH_DATA, None if it is not set.

    Raises:
        InputError: there is no such folder.
    """
    name = os.environ.get("FERBENCH_DATA")
    if not name:
        return None
    if not Path(name).is_dir():
        raise InputError(
            "no folder", where=f"FERBENCH_DATA={name}", remedy="set it to the folder of archives"
        )
    return Path(name)


def find_archives(metadata: Metadata, archive: str | None) -> list[Path]:
    """Files and folders that together hold the data set, downloaded if necessary.

    Args:
        metadata: of the source.
        archive: a file, a folder, `kaggle:<owner>/<name>`, a URL, or None.

    Raises:
        InputError: an archive is missing; the message explains how to get it.
    """
    places = [folder for folder in (data_folder(),) if folder]
    given: Path | None = None
    if archive:
        given = _named(archive, places, metadata)
        if given.is_dir():
            here = [_look_up(name, metadata, [given]) for name in metadata.archives]
            if not here or None in here:
                return [given]
        places = [given if given.is_dir() else given.parent, *places]
    found = {name: _look_up(name, metadata, places) for name in metadata.archives}
    if given and not given.is_dir():
        # A file of another name takes the place of the first archive.
        known = [name for name in metadata.archives if given.name in metadata.names(name)]
        found[next(iter((*known, *metadata.archives)), given.name)] = given
    if not found:
        raise _missing(metadata, ["the row's `archive:`"], "not set")
    if absent := [name for name, path in found.items() if path is None]:
        found |= _download(metadata, absent)
    return [path for path in found.values() if path]


def _look_up(name: str, metadata: Metadata, places: Sequence[Path]) -> Path | None:
    paths = (place / other for place in places for other in metadata.names(name))
    return next((path for path in paths if path.exists()), None)


def _named(archive: str, places: Sequence[Path], metadata: Metadata) -> Path:
    """The file or folder that the column `archive` names."""
    if archive.startswith("kaggle:"):
        return _from_kaggle(archive.removeprefix("kaggle:"), metadata)
    if urlsplit(archive).scheme in ("http", "https"):
        return _from_url(archive, metadata)
    for place in (Path(), *places):
        if (place / archive).exists():
            return place / archive
    raise _missing(metadata, [archive], "no such file or folder, here or in FERBENCH_DATA")


def _download(metadata: Metadata, absent: list[str]) -> dict[str, Path]:
    """Missing archives from Kaggle or the URL; nothing is downloaded unless all can be."""
    url = metadata.url or ""
    by_url = [name for name in absent if url and _file_name(url) in metadata.names(name)]
    by_kaggle = [
        name
        for name in absent
        if metadata.kaggle and name == metadata.archives[0] and name not in by_url
    ]
    if unknown := [name for name in absent if name not in by_url + by_kaggle]:
        raise _missing(metadata, unknown, "not found")
    found = {name: _from_kaggle(metadata.kaggle or "", metadata) for name in by_kaggle}
    return found | {name: _from_url(url, metadata) for name in by_url}


def _missing(metadata: Metadata, names: Sequence[str], why: str) -> InputError:
    folder = os.environ.get("FERBENCH_DATA") or "not set"
    return InputError(
        f"{', '.join(names)}: {why} (FERBENCH_DATA: {folder}). Licence: {metadata.licence}",
        where=metadata.title,
        remedy=metadata.steps,
    )


def _from_kaggle(handle: str, metadata: Metadata) -> Path:
    """Folder of a Kaggle data set, downloaded with the user's own credentials."""
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
    # The client raises many types, its own and those of its HTTP library.
    except Exception as error:
        raise InputError(f"Kaggle answers: {error}", where=where, remedy=remedy) from error


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path).rsplit("/", 1)[-1]


def _from_url(url: str, metadata: Metadata) -> Path:
    """A file behind a URL, kept in the project's cache."""
    name = _file_name(url)
    if urlsplit(url).scheme not in ("http", "https") or not name:
        raise InputError("not an http(s) address of a file", where=url, remedy="correct `archive:`")
    path = CACHE / "archives" / digest(url)[:12] / name
    if path.exists():
        return path
    try:
        # The scheme is checked above, so the URL cannot name a local file.
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


def _checksum(path: Path, metadata: Metadata) -> str:
    """SHA-256 of an archive, or of a folder's listing; refused if another one is published."""
    if path.is_dir():
        return digest({f.relative_to(path).as_posix(): _sha256(f) for f in _files(path)})
    found = _sha256(path)
    known = metadata.sha256.get(path.name, found)
    if found != known:
        raise InputError(
            f"wrong checksum: SHA-256 is {found}, not {known}",
            where=path,
            remedy="fetch it again; if this is another edition on purpose, give the file another "
            "name and write that into the row's `archive:`",
        )
    return found


def _sha256(path: Path) -> str:
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
    """Files below a folder, without our own record."""
    return (path for path in files_below(folder) if path.name != PROVENANCE)


def _place(path: Path, folder: Path) -> None:
    """Put an archive's content, a folder's content or a single file into the raw folder."""
    if path.is_dir():
        for file in _files(path):
            # Archives directly in a folder are parts of the data set.
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
        remedy="make it readable for yourself, and shorten its path if that is too long",
    )
