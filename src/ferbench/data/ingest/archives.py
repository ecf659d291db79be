"""Extraction of archives that are not trusted.

An archive is refused as a whole if a member would be written outside the folder, is not a plain
file, or makes the archive too large. The caller passes a fresh folder, so that a refusal leaves
nothing behind.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ferbench.data.ingest.members import Member, members, refused, unreadable
from ferbench.errors import InputError

__all__ = ["Limits", "extract", "is_archive", "is_litter"]

_READABLE = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_UNREADABLE = (".7z", ".rar", ".gz", ".bz2", ".xz", ".001")
_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_LONGEST_NAME = 255  # bytes, on all usual file systems


@dataclass(frozen=True)
class Limits:
    """Bounds of an archive's content, well above the largest data sets of the field.

    Args:
        members: files and folders.
        size: bytes of all files together.
        ratio: unpacked by packed bytes; images do not shrink, text shrinks about ten times.
        free: bytes below which the ratio is not checked.
    """

    members: int = 3_000_000
    size: int = 500 << 30
    ratio: float = 200.0
    free: int = 64 << 20


def is_archive(path: Path) -> bool:
    """Whether the name of a file has a suffix of archives."""
    return path.name.lower().endswith(_READABLE + _UNREADABLE)


def is_litter(path: PurePosixPath) -> bool:
    """Whether a file is one that desktops leave behind.

    >>> is_litter(PurePosixPath("__MACOSX/a/._1.png")), is_litter(PurePosixPath("a/1.png"))
    (True, False)
    """
    return (
        "__MACOSX" in path.parts
        or path.name in (".DS_Store", "Thumbs.db", "desktop.ini")
        or path.name.startswith("._")
    )


def extract(archive: Path, into: Path, limits: Limits | None = None) -> None:
    """Unpack a zip or tar archive into the folder `into`, in one pass over its content.

    `ferbench.data.ingest.members` describes which damage is found.

    Raises:
        InputError: not a readable archive, damaged, encrypted, a path that leaves the folder or
            that file systems do not accept, a member that is not a plain file, a name twice, or
            more than the limits allow.
    """
    bar = tqdm(desc=f"unpack {archive.name}", unit=" files", file=sys.stderr, disable=None)
    try:
        with bar:
            for member, path in _checked(members(archive), archive, limits or Limits()):
                _write(member, into / path, archive)
                bar.update()
    except InputError:
        raise
    # A hostile or broken archive makes readers raise almost anything.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise unreadable(archive, error) from error


def _checked(
    listed: Iterable[Member], archive: Path, limits: Limits
) -> Iterator[tuple[Member, PurePosixPath]]:
    """Files with their paths, as long as the archive stays within all bounds."""
    packed = archive.stat().st_size
    seen: set[PurePosixPath] = set()
    total = 0
    for count, member in enumerate(listed, 1):
        path = _path_inside(member, archive)
        total += member.size
        for exceeded, why in (
            (count > limits.members, f"holds more than {limits.members} files"),
            (total > limits.size, f"unpacks to more than {limits.size} bytes"),
            (total > max(limits.free, limits.ratio * packed), "unpacks to far more than its size"),
        ):
            if exceeded:
                raise refused(archive, "the archive", why)
        if member.open is None:
            continue
        if path in seen:
            raise refused(archive, member.name, "is in it twice")
        seen.add(path)
        if not is_litter(path):
            yield member, path


def _path_inside(member: Member, archive: Path) -> PurePosixPath:
    plain = member.name.replace("\\", "/")
    path = PurePosixPath(plain)
    # A tar of `.` has a member for that folder itself.
    nameless = not path.parts and member.open is not None
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(plain) or nameless:
        raise refused(archive, member.name, "would be written outside the data set's folder")
    if not is_litter(path) and (why := _why_not_portable(path)):
        raise refused(archive, member.name, why)
    return path


def _why_not_portable(path: PurePosixPath) -> str | None:
    """Why a path cannot be written, or would be a different one on another system."""
    try:
        lengths = [len(part.encode()) for part in path.parts]
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if "\0" in str(path):
        return "has a zero byte in its name"
    if max(lengths, default=0) > _LONGEST_NAME:
        return f"has a name of {max(lengths)} bytes; file systems accept {_LONGEST_NAME}"
    if any(part.endswith(".") for part in path.parts):
        # Some systems drop the dot: two members may become one, and `1.png.` is no image's name.
        return "has a name that ends with a dot"
    return None


def _write(member: Member, target: Path, archive: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = member.open() if member.open else None
    if source is None:
        raise unreadable(archive, f"{member.name} has no content")
    left = member.size
    with source, target.open("xb") as file:
        while left and (chunk := source.read(min(_CHUNK, left))):
            file.write(chunk)
            left -= len(chunk)
        # Reading past the declared end makes the reader verify its checksum.
        if left or source.read(1):
            raise unreadable(archive, f"{member.name} does not have its declared size")
