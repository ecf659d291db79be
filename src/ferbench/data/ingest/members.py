"""Members of zip and tar archives, read more strictly than Python's own readers do.

Damage must not make members disappear. `tarfile` takes a wrong header for the end of the archive,
and both readers stop before the end of the file and ignore what follows. Here every byte of a zip
belongs to a listed member or to the directory, whose entries agree with the headers of the members;
a tar ends with two blocks of zeros and nothing but zeros after them; a compressed tar is read to
its end, where the checksum of the compressor is.

Zip, gzip, bzip2 and xz have a checksum of all content, a plain tar only of its headers. Therefore
the following damage of a plain tar is not found: changed content, a changed name that is stored as
content (over 100 bytes, or not ASCII), headers that swap places, last members overwritten with
zeros. Only the published checksum of the archive finds these: `Metadata.sha256`, which
`ferbench.data.ingest.fetch` compares.
"""

from __future__ import annotations

import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

from ferbench.errors import InputError

__all__ = ["Member", "members", "printable", "refused", "unreadable"]

_TAR = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_CHUNK = 1 << 20
# Names and records before a tar header, which `tarfile` reads at once; usual ones have kilobytes.
_RECORDS = (*tarfile.GNU_TYPES, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LARGEST_RECORD = 1 << 20
# Zeros after the end of a tar; the largest tape blocks have a few megabytes.
_MOST_PADDING = 64 << 20
# Lengths of the record after a zip member whose size was not known when writing began.
_DESCRIPTORS = (12, 16, 20, 24)
_LATER, _UTF8, _ENCRYPTED = 0x8, 0x800, 0x1  # flags of a zip member
_ELSEWHERE = 0xFFFFFFFF  # the size is in the zip64 record


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive.

    Args:
        name: as stored in the archive.
        size: declared size in bytes.
        open: opens its content; None for a folder.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes] | None] | None


def members(archive: Path) -> Iterator[Member]:
    """Members in the archive's order; each must be read before the next is requested.

    Raises:
        InputError: not a zip or tar archive, encrypted, or a member that is not a plain file.
        Exception: of many types; the archive is damaged, which may show only after the last member.
    """
    with archive.open("rb") as file:
        head = file.read(4)
    if head in _ZIP:
        return _zip_members(archive)
    if archive.name.lower().endswith(_TAR):
        return _tar_members(archive)
    raise unreadable(archive, "not a zip or tar archive")


def unreadable(archive: Path, error: object) -> InputError:
    """The error for a file that is damaged or not an archive."""
    return InputError(
        f"the archive cannot be read ({str(error) or type(error).__name__})",
        where=archive,
        remedy="fetch it again; it may be truncated or damaged. Otherwise unpack it by hand and "
        "set the row's `archive:` to the folder",
    )


def refused(archive: Path, name: str, why: str) -> InputError:
    """The error for an archive with a member that must not be written."""
    return InputError(
        f"{printable(name)} {why}",
        where=archive,
        remedy="get the archive from the data set's owners; if you trust this one, unpack it by "
        "hand and set the row's `archive:` to the folder",
    )


def printable(name: str) -> str:
    r"""A name in a form that can be printed.

    >>> printable("a/1.png"), printable("a\x00b"), printable("x" * 300)[-7:]
    ('a/1.png', "'a\\x00b'", 'xxxx...')
    """
    short = name if len(name) <= 120 else f"{name[:117]}..."
    return short if short.isprintable() else ascii(short)


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file, archive.open("rb") as raw:
        _check_end_of_zip(file, raw)
        _check_headers(file, raw)
        for info in file.infolist():
            if info.flag_bits & _ENCRYPTED:
                raise InputError(
                    f"{printable(info.filename)} is encrypted",
                    where=archive,
                    remedy="unpack it by hand with the password its owners sent you and set the "
                    "row's `archive:` to the folder",
                )
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise refused(archive, info.filename, "is a link or a device")
            if info.is_dir() and info.file_size:
                raise refused(archive, info.filename, "is a folder with content")
            # `filename` is cut at a zero byte, where other readers would not cut it.
            content = None if info.is_dir() else partial(file.open, info)
            yield Member(info.orig_filename, info.file_size, content)


def _check_end_of_zip(file: zipfile.ZipFile, raw: IO[bytes]) -> None:
    """Check that the directory ends the file and counts as many members as it lists."""
    raw.seek(-22 - len(file.comment), 2)
    signature, _, count, _, length = struct.unpack("<4s6sH8sH", raw.read(22))
    if signature != _ZIP[1] or length != len(file.comment):
        raise zipfile.BadZipFile("bytes after the end of the directory")
    listed = len(file.infolist())
    # Old writers count modulo 65536; zip64 counts elsewhere.
    if count not in (listed & 0xFFFF, 0xFFFF):
        raise zipfile.BadZipFile(f"{count} members are counted, and {listed} are listed")


def _check_headers(file: zipfile.ZipFile, raw: IO[bytes]) -> None:
    """Check that listed members fill the file without gaps from its start to the directory."""
    place = 0
    slack: tuple[int, ...] = (0,)
    for info in sorted(file.infolist(), key=lambda info: info.header_offset):
        if info.header_offset - place not in slack:
            raise zipfile.BadZipFile(f"bytes {place} to {info.header_offset} belong to no member")
        raw.seek(info.header_offset)
        place = raw.tell() + _header_length(info, raw) + info.compress_size
        slack = (0, *_DESCRIPTORS) if info.flag_bits & _LATER else (0,)
    if file.start_dir - place not in slack:
        raise zipfile.BadZipFile(f"bytes {place} to {file.start_dir} belong to no member")


def _header_length(info: zipfile.ZipInfo, raw: IO[bytes]) -> int:
    """Length of a member's own header, which must agree with the directory."""
    fields = struct.unpack("<4s5H3L2H", raw.read(30))
    signature, _, flags, method, _, _, *sums, name_length, extra_length = fields
    name = raw.read(name_length).decode("utf-8" if flags & _UTF8 else "cp437")
    known = (info.CRC, info.compress_size, info.file_size)
    agree = bool(flags & _LATER) or all(
        stated in (value, _ELSEWHERE) for stated, value in zip(sums, known, strict=True)
    )
    both = _ENCRYPTED | _LATER
    if (
        signature != _ZIP[0]
        or name != info.orig_filename
        or method != info.compress_type
        or (flags ^ info.flag_bits) & both
        or not agree
    ):
        raise zipfile.BadZipFile(
            f"directory and header of {printable(info.orig_filename)} contradict each other"
        )
    return 30 + name_length + extra_length


class _StrictHeader(tarfile.TarInfo):
    """A valid header of a member; an invalid one is an error and not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # a block of zeros
            raise
        except tarfile.HeaderError as error:
            cut = len(buf) < tarfile.BLOCKSIZE
            why = "it ends without the end-of-archive mark" if cut else "a member's header is wrong"
            raise tarfile.ReadError(f"{why}: {error}") from error
        # A negative size would make the reader loop forever.
        if info.size < 0 or (info.type in _RECORDS and info.size > _LARGEST_RECORD):
            raise tarfile.ReadError(f"a header declares {info.size} bytes")
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{printable(info.name)} is sparse")
        return info


def _tar_members(archive: Path) -> Iterator[Member]:
    with _opened_tar(archive) as file:
        while (info := file.next()) is not None:
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise refused(archive, info.name, "is a link, a device or sparse")
            # A record before the header may have set another size.
            if info.size < 0:
                raise tarfile.ReadError(f"{printable(info.name)} declares {info.size} bytes")
            # The standard library's own guard, beside ours; Python has it since 3.11.4.
            if hasattr(tarfile, "data_filter"):
                tarfile.data_filter(info, "/nowhere")
            if info.isreg():
                yield Member(info.name, info.size, partial(file.extractfile, info))
            else:
                yield Member(f"{info.name}/", 0, None)
        _check_end_of_tar(file)


def _opened_tar(archive: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(archive, tarinfo=_StrictHeader)
    except tarfile.ReadError as error:
        why = "not a zip or tar archive, or damaged at its beginning"
        raise unreadable(archive, why) from error


def _check_end_of_tar(file: tarfile.TarFile) -> None:
    """Check that a second block of zeros follows the first, and only zeros to the file's end."""
    source = file.fileobj
    assert source is not None
    zeros = 0
    while block := source.read(_CHUNK):
        zeros += len(block)
        if block.strip(b"\0"):
            raise tarfile.ReadError("data after a block of zeros, which ends a tar")
        if zeros > _MOST_PADDING:
            raise tarfile.ReadError("far more zeros after its end than any tar has")
    if zeros < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("one block of zeros at its end, and not two")
