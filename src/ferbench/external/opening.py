"""Read a data set in whatever form it comes: folders, a list, a table of pixels, an archive of one.

A folder is read where it is and nothing is written into it. Archives are unpacked, and tables of
pixels turned into images, in a temporary folder that is deleted afterwards (`TMPDIR` moves it).

What the form is, is decided by names of files alone, in this order: `data.yaml` (YOLO export),
`label/label.lst` (ExpW), `list_patition_label.txt` (RAF-DB), `cohn-kanade-images/` (CK+),
`fer2013.csv` or `icml_face_data.csv`, a list with columns of paths and labels (`labels.csv`, or the
only CSV file at the top), images that are all named like CK+'s or FER2013's, a folder per class.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ferbench import plugins
from ferbench.data.ingest.archives import Limits, extract, is_archive
from ferbench.data.ingest.layout import SUFFIXES, files_below
from ferbench.data.ingest.lists import RENAME_ADVICE, header_of, is_list, read_list
from ferbench.data.ingest.source import Reading, Source
from ferbench.errors import InputError

__all__ = ["SOURCES", "Form", "Opened", "open_data"]

SOURCES = "ferbench.data.sources"
_PIXELS = {"emotion", "pixels"}  # columns of FER2013's table
_TABLES = ("fer2013.csv", "icml_face_data.csv")
_SOURCE_OF_NAME = {
    "data.yaml": "yolo_export",
    "data.yml": "yolo_export",
    "dataset.yaml": "yolo_export",
    "label.lst": "expw",
    "list_patition_label.txt": "rafdb_basic",
}
_SOURCE_OF_STEM = {
    "ckplus": re.compile(r"S\d+_\d+_\d+"),
    "fer2013": re.compile(r"(Training|PublicTest|PrivateTest)_.+"),
}
_LIST = "a list of images"
_RESERVE = 1 << 30  # bytes of the disk that unpacking leaves free


@dataclass(frozen=True)
class Form:
    """What the user says about the form of the data.

    Args:
        source: a part of `ferbench.data.sources`; None to find it out.
        rename: the emotion that each class word of the data's own stands for.
        person_pattern: regular expression with one group around the person in names of files; for a
            folder per class.
    """

    source: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    person_pattern: str | None = None


@dataclass(frozen=True)
class Opened:
    """A data set that has been read, and not yet decoded.

    Args:
        root: the folder that paths of the reading start from.
        reading: its images and faults.
        source: the part of `ferbench.data.sources` that read it; None for a list.
        title: of the data set, or of its form.
    """

    root: Path
    reading: Reading
    source: str | None
    title: str


@contextmanager
def open_data(path: Path, form: Form | None = None) -> Iterator[Opened]:
    """Read a data set; files made for that exist until the block ends.

    Args:
        path: a folder, a CSV file, or an archive.
        form: what is known about it.

    Raises:
        InputError: there is nothing at `path`, the archive is refused, or its content has none of
            the forms.
    """
    form = form or Form()
    if not path.exists():
        raise InputError("no such file or folder", where=path, remedy="correct the path")
    with tempfile.TemporaryDirectory(prefix="ferbench-") as name:
        scratch = Path(name)
        if path.is_dir():
            yield _of_folder(path, form, scratch)
        elif is_archive(path):
            _unpack(path, scratch / "content")
            yield _of_folder(scratch / "content", form, scratch)
        elif path.suffix.lower() == ".csv":
            yield _of_table(path, form, scratch)
        else:
            raise InputError(
                "neither a folder nor a CSV file nor a zip or tar archive",
                where=path,
                remedy="give the folder that holds the images, a list of them, or an archive",
            )


def _unpack(archive: Path, into: Path) -> None:
    into.mkdir()
    free = shutil.disk_usage(into).free - _RESERVE
    try:
        extract(archive, into, Limits(size=max(0, min(Limits().size, free))))
    except InputError as error:
        raise InputError(
            error.what,
            where=error.where,
            remedy="get the archive again; if you trust it, unpack it by hand and give the folder. "
            f"It is unpacked in {into.parent.parent}, which has {max(0, free)} bytes to spare: "
            "TMPDIR names another folder",
        ) from error


def _of_table(table: Path, form: Form, scratch: Path) -> Opened:
    """A table of pixels, or a list of images beside it."""
    header = set(header_of(table))
    if header >= _PIXELS:
        return _of_pixels(table, form, scratch)
    if not is_list(header):
        raise InputError(
            f"columns are {', '.join(sorted(header))}",
            where=table,
            remedy="a list of images has columns `path` and `label`, and may have `split`, "
            "`person` and `sequence`; a table of pixels has `emotion`, `pixels` and `Usage`",
        )
    return Opened(table.parent, read_list(table, table.parent, form.rename), None, _LIST)


def _of_pixels(table: Path, form: Form, scratch: Path) -> Opened:
    root = scratch / "table"
    root.mkdir()
    shutil.copyfile(table, root / _TABLES[0])
    source = _source("fer2013", form)
    source.prepare(root)
    return Opened(root, source.read(root), "fer2013", source.metadata.title)


def _of_folder(root: Path, form: Form, scratch: Path) -> Opened:
    files = [path.relative_to(root) for path in files_below(root)]
    name = form.source or _source_of(files)
    tables = [file for file in files if file.name in _TABLES]
    if tables and (name in (None, "fer2013")) and not any("train" in f.parts for f in files):
        return _of_pixels(root / tables[0], form, scratch)
    if name is None and (table := _list_in(root, files)):
        return Opened(table.parent, read_list(table, root, form.rename), None, _LIST)
    name = name or _source_of_images(files) or "folder"
    source = _source(name, form)
    if root.is_relative_to(scratch):
        source.prepare(root)
    try:
        return Opened(root, source.read(root), name, source.metadata.title)
    except InputError as error:
        raise _advised(error, source) from error


def _advised(error: InputError, source: Source) -> InputError:
    """The error with the options of the commands, which the readers of the pipeline do not know."""
    advice = [error.remedy] if "archive:" not in error.remedy else []
    if "rename" in source.OPTIONS and error.what.startswith("unknown class"):
        advice.append(RENAME_ADVICE)
    advice.append("`--source NAME` says which data set it is, if that was not recognised")
    return InputError(error.what, where=error.where, remedy="; ".join(advice))


def _source(name: str, form: Form) -> Source:
    given: dict[str, Any] = {"rename": dict(form.rename), "person_pattern": form.person_pattern}
    kind: type[Source] = plugins.load(SOURCES, name)
    return kind({key: value for key, value in given.items() if value})


def _source_of(files: Sequence[Path]) -> str | None:
    """The source of a data set whose form needs a certain file."""
    names = {file.name: file for file in files}
    for name, source in _SOURCE_OF_NAME.items():
        if name in names:
            return source
    return "ckplus" if any("cohn-kanade-images" in file.parts for file in files) else None


def _list_in(root: Path, files: Sequence[Path]) -> Path | None:
    """The uppermost `labels.csv`, or the only CSV file at the top, if it lists images."""
    depth = min((len(file.parts) for file in files if _is_table(file)), default=0)
    top = [file for file in files if _is_table(file) and len(file.parts) == depth]
    named = [file for file in top if file.name.lower() == "labels.csv"]
    if len(named or top) != 1:
        return None
    table = root / (named or top)[0]
    return table if is_list(header_of(table)) else None


def _is_table(file: PurePosixPath | Path) -> bool:
    return file.suffix.lower() == ".csv"


def _source_of_images(files: Sequence[Path]) -> str | None:
    """The source of images that all have the names of one data set."""
    stems = [file.stem for file in files if file.name.lower().endswith(SUFFIXES)]
    for source, pattern in _SOURCE_OF_STEM.items():
        if stems and all(pattern.fullmatch(stem) for stem in stems):
            return source
    return None
