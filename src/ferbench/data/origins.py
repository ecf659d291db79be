"""Where a data set's archives are: the row's cell, the user's data folder, Kaggle, or a URL."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ferbench.data.source import Metadata
from ferbench.environment import CACHE
from ferbench.errors import InputError
from ferbench.files import digest, whole_file

__all__ = ["data_folder", "find_archives"]

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
