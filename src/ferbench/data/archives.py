"""Archives of unknown origin, unpacked without being believed.

A member that would land outside the folder, is no plain file, or makes the whole too large is a
reason to refuse the archive, not to skip the member. The caller gives a fresh folder, so a refusal
leaves nothing.
"""

from __future__ import annotations

import errno
import lzma
import re
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from ferbench.errors import InputError

__all__ = ["Limits", "extract", "is_archive", "is_litter"]

_READABLE = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_UNREADABLE = (".7z", ".rar", ".gz", ".bz2", ".xz", ".001")
_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Limits:
    """Bounds of what an archive may hold; the largest data sets of the field stay well below.

    Args:
        members: files and folders.
        size: bytes of all files together.
        ratio: bytes unpacked by bytes packed; images do not shrink, text shrinks some ten times.
        free: bytes below which the ratio is not looked at.
    """

    members: int = 3_000_000
    size: int = 500 << 30
    ratio: float = 200.0
    free: int = 64 << 20


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive."""
    return path.name.lower().endswith(_READABLE + _UNREADABLE)


def is_litter(path: PurePosixPath) -> bool:
    """Whether a file is what desktops leave behind, never data.

    >>> is_litter(PurePosixPath("__MACOSX/a/._1.png")), is_litter(PurePosixPath("a/1.png"))
    (True, False)
    """
    return (
        "__MACOSX" in path.parts
        or path.name in (".DS_Store", "Thumbs.db", "desktop.ini")
        or path.name.startswith("._")
    )


def extract(archive: Path, into: Path, limits: Limits | None = None) -> None:
    """Unpack a zip or tar archive into the folder `into`.

    Raises:
        InputError: no readable archive, encrypted, a path that leaves the folder, a member that is
            no plain file, a name twice, or more than the limits allow.
    """
    reader = _reader(archive)
    bar = tqdm(desc=f"unpack {archive.name}", unit=" files", file=sys.stderr, disable=None)
    try:
        with bar:
            for member, path in _checked(reader(archive), archive, limits or Limits()):
                _write(member, into / path, archive)
                bar.update()
    except _BROKEN as error:
        raise _unreadable(archive, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _unreadable(archive, error) from error


def _unreadable(archive: Path, error: object) -> InputError:
    return InputError(
        f"the archive cannot be read ({error})",
        where=archive,
        remedy="fetch it again; it may be truncated. Otherwise unpack it by hand and set the row's "
        "`archive:` to the folder",
    )


def _reader(archive: Path) -> Callable[[Path], Iterator[_Member]]:
    # Names decide first: a tar that ends with a zip file looks like a zip file.
    name = archive.name.lower()
    if name.endswith(_READABLE) and not name.endswith(".zip") and tarfile.is_tarfile(archive):
        return _tar_members
    if zipfile.is_zipfile(archive):
        return _zip_members
    raise _unreadable(archive, "no zip or tar archive")


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.flag_bits & 0x1:
                raise InputError(
                    f"{info.filename} is encrypted",
                    where=archive,
                    remedy="unpack it by hand with the password its owners sent you and set the "
                    "row's `archive:` to the folder",
                )
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, info.filename, "is a link or a device")
            if not info.is_dir():
                yield _Member(info.filename, info.file_size, partial(file.open, info))


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as file:
        for info in file:
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise _refused(archive, info.name, "is a link, a device or sparse")
            # The standard library's own guard, beside ours; Python has it since 3.11.4.
            if hasattr(tarfile, "data_filter"):
                tarfile.data_filter(info, "/nowhere")
            if info.isreg():
                yield _Member(info.name, info.size, partial(file.extractfile, info))


def _checked(
    members: Iterator[_Member], archive: Path, limits: Limits
) -> Iterator[tuple[_Member, PurePosixPath]]:
    """Members and their paths, as long as the archive stays within all bounds."""
    packed = archive.stat().st_size
    seen: set[PurePosixPath] = set()
    total = 0
    for count, member in enumerate(members, 1):
        path = _inside(member.name, archive)
        total += member.size
        for over, why in (
            (count > limits.members, f"holds more than {limits.members} files"),
            (total > limits.size, f"unpacks to more than {limits.size} bytes"),
            (total > max(limits.free, limits.ratio * packed), "unpacks to far more than its size"),
        ):
            if over:
                raise _refused(archive, "the archive", why)
        if path in seen:
            raise _refused(archive, member.name, "is in it twice")
        seen.add(path)
        if not is_litter(path):
            yield member, path


def _inside(name: str, archive: Path) -> PurePosixPath:
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(plain) or not path.parts:
        raise _refused(archive, name, "would be written outside the data set's folder")
    return path


def _refused(archive: Path, name: str, why: str) -> InputError:
    return InputError(
        f"{name} {why}",
        where=archive,
        remedy="get the archive from the data set's owners; if you trust this one, unpack it by "
        "hand and set the row's `archive:` to the folder",
    )


def _write(member: _Member, target: Path, archive: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    if source is None:
        raise _unreadable(archive, f"{member.name} has no content")
    left = member.size
    with source, target.open("xb") as file:
        while left and (chunk := source.read(min(_CHUNK, left))):
            file.write(chunk)
            left -= len(chunk)
        # Reading past the declared end makes the reader verify its checksum.
        if left or source.read(1):
            raise _unreadable(archive, f"{member.name} has not the size it declares")
