"""A damaged archive is refused by name, or it unpacks to what was packed; nothing disappears.

The damages are drawn, and a failure names its draw. A few run always; the 3,000 of all forms and
the 600 of plain tars are marked slow.
"""

from __future__ import annotations

import io
import random
import signal
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import pytest

from ferbench.data.ingest.archives import extract
from ferbench.errors import InputError
from ferbench.files import fresh_folder

BLOCK = tarfile.BLOCKSIZE
FORMS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")
Damage = Callable[[random.Random, bytes], tuple[bytes, list[tuple[int, int]]]]


@cache
def _content() -> dict[str, bytes]:
    """Two dozen files of three classes, none of them empty; some shorter than a block of a tar."""
    rng = random.Random(0)
    return {
        f"{word}/{i:02d}.png": rng.randbytes(rng.choice([40, 512, 700, 1300, 2600]))
        for word in ("happy", "sad", "foto")
        for i in range(8)
    }


@cache
def _archive(form: str) -> bytes:
    out = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for number, (name, content) in enumerate(_content().items()):
                method = zipfile.ZIP_STORED if number % 2 else zipfile.ZIP_DEFLATED
                file.writestr(name, content, method)
    else:
        with tarfile.open(fileobj=out, mode=f"w:{form[4:]}") as file:
            for name, content in _content().items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _flip(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    place = rng.randrange(len(data))
    return _flipped(rng, data, place)


def _flipped(rng: random.Random, data: bytes, place: int) -> tuple[bytes, list[tuple[int, int]]]:
    changed = bytearray(data)
    changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed), [(place, place + 1)]


def _cut(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    place = rng.randrange(len(data))
    return data[:place], [(place, len(data))]


def _insert(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Random bytes put in, a whole number of blocks half of the time."""
    length = rng.choice([1, 7, BLOCK, 2 * BLOCK])
    place = rng.randrange(len(data) + 1)
    if length % BLOCK == 0:
        place -= place % BLOCK
    return data[:place] + rng.randbytes(length) + data[place:], [(place, place + 1)]


def _duplicate(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """A piece put in a second time, somewhere."""
    length = rng.choice([16, BLOCK, 4 * BLOCK])
    start = rng.randrange(max(1, len(data) - length))
    place = rng.randrange(len(data) + 1)
    if length % BLOCK == 0:
        start, place = start - start % BLOCK, place - place % BLOCK
    piece = data[start : start + length]
    return data[:place] + piece + data[place:], [(place, place + 1)]


def _zero(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """A block of zeros, or several, in the place of what stood there."""
    length = BLOCK * rng.choice([1, 1, 1, 2, 8])
    start = BLOCK * rng.randrange(max(1, len(data) // BLOCK))
    length = min(length, len(data) - start)
    return data[:start] + bytes(length) + data[start + length :], [(start, start + length)]


def _swap(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Two blocks in each other's place."""
    blocks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)]
    one, other = sorted(rng.sample(range(len(data) // BLOCK), 2))
    blocks[one], blocks[other] = blocks[other], blocks[one]
    hit = [(i * BLOCK, (i + 1) * BLOCK) for i in (one, other)]
    return b"".join(blocks), hit


DAMAGES: dict[str, Damage] = {
    "flip": _flip,
    "cut": _cut,
    "insert": _insert,
    "duplicate": _duplicate,
    "zero": _zero,
    "swap": _swap,
}


def _headers() -> dict[str, int]:
    """Places of the headers in the plain tar."""
    with tarfile.open(fileobj=io.BytesIO(_archive("tar"))) as file:
        return {info.name: info.offset for info in file}


def _flip_header(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """A flipped bit of what a header says; the 12 bytes after its fields say nothing."""
    header = rng.choice(list(_headers().values()))
    return _flipped(rng, data, header + rng.randrange(BLOCK - 12))


def _move_blocks(rng: random.Random, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    return rng.choice([_swap, _zero])(rng, data)


TAR_DAMAGES: dict[str, Damage] = {"header": _flip_header, "cut": _cut, "blocks": _move_blocks}


class _HangError(BaseException):
    """Unpacking takes longer than any of these archives may; `Exception` would be caught."""


@contextmanager
def _hang_is_an_error() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _unpacked(path: Path, out: Path) -> dict[str, bytes] | None:
    """What comes out of an archive, None if it is refused; nothing else may be left."""
    try:
        with _hang_is_an_error(), fresh_folder(out) as folder:
            extract(path, folder)
    except InputError as error:
        assert path.name in str(error)
        assert error.remedy
        assert [p.name for p in path.parent.iterdir()] == [path.name]
        return None
    assert {p.name for p in path.parent.iterdir()} == {path.name, out.name}
    found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    for p in sorted(out.rglob("*"), reverse=True):
        p.unlink() if p.is_file() else p.rmdir()
    out.rmdir()
    return found


def _hit(ranges: list[tuple[int, int]]) -> set[str]:
    """Members of the plain tar that have a byte in one of the ranges."""
    names = set()
    for name, start in _headers().items():
        end = start + BLOCK + -(-len(_content()[name]) // BLOCK) * BLOCK
        names |= {name for low, high in ranges if low < end and start < high}
    return names


def _outcome(form: str, damage: Damage, seed: str, folder: Path) -> str:
    """Refused, whole, or what only a plain tar cannot tell.

    That is changed content of the members that were hit, or that its last members were: where they
    stood, there are now zeros to the end of the file.
    """
    data, ranges = damage(random.Random(seed), _archive(form))
    folder.mkdir(exist_ok=True)
    path = folder / f"damaged.{form}"
    path.write_bytes(data)
    found = _unpacked(path, folder / "out")
    if found is None:
        return "refused"
    lost = _content().keys() - found.keys()
    changed = {name for name, content in found.items() if _content()[name] != content}
    if not lost and not changed:
        return "whole"
    assert form == "tar", f"{seed}: {form} has a checksum of its content"
    assert changed <= _hit(ranges), seed
    assert all(len(found[n]) == len(_content()[n]) for n in changed) or damage is _move_blocks
    if lost:
        assert not data[min(_headers()[name] for name in lost) :].strip(b"\0"), seed
    return "zeroed to the end" if lost else "changed"


def _outcomes(form: str, name: str, damage: Damage, tries: int, folder: Path) -> Counter[str]:
    seeds = (f"{form} {name} {number}" for number in range(tries))
    return Counter(_outcome(form, damage, seed, folder) for seed in seeds)


@pytest.mark.parametrize("form", FORMS)
def test_undamaged_archive_comes_out_whole(form: str, tmp_path: Path) -> None:
    assert _outcome(form, lambda rng, data: (data, []), "", tmp_path / "x") == "whole"


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("form", FORMS)
def test_damaged_archive_is_refused_or_comes_out_whole(
    form: str, name: str, tmp_path: Path
) -> None:
    assert _outcomes(form, name, DAMAGES[name], 3, tmp_path / "x").total() == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("form", FORMS)
def test_hundred_damages_of_each_kind_are_refused_or_come_out_whole(
    form: str, name: str, tmp_path: Path
) -> None:
    found = _outcomes(form, name, DAMAGES[name], 100, tmp_path / "x")
    assert found["refused"] > 0


@pytest.mark.parametrize("tries", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_tar_with_a_flipped_bit_in_a_header_is_refused(tries: int, tmp_path: Path) -> None:
    found = _outcomes("tar", "header", TAR_DAMAGES["header"], tries, tmp_path / "x")
    # Some bits of the checksum's own field do not change its number: then nothing is damaged.
    assert found["changed"] == 0
    assert found["refused"] >= 0.95 * tries


@pytest.mark.parametrize("tries", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_tar_that_was_cut_is_refused(tries: int, tmp_path: Path) -> None:
    data, last = _archive("tar"), max(_headers().values())
    end = last + BLOCK + -(-len(list(_content().values())[-1]) // BLOCK) * BLOCK
    lengths = [len(_cut(random.Random(f"tar cut {number}"), data)[0]) for number in range(tries)]
    found = _outcomes("tar", "cut", TAR_DAMAGES["cut"], tries, tmp_path / "x")
    # What is behind the two blocks of zeros that end a tar, nobody needs.
    assert found["whole"] == sum(length >= end + 2 * BLOCK for length in lengths)
    assert found["changed"] == 0


@pytest.mark.parametrize("tries", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_swapped_and_zeroed_blocks_of_a_tar_lose_no_file(tries: int, tmp_path: Path) -> None:
    found = _outcomes("tar", "blocks", TAR_DAMAGES["blocks"], tries, tmp_path / "x")
    assert found.total() == tries
    assert found["refused"] > 0
    assert found["zeroed to the end"] <= 0.02 * tries


@pytest.mark.parametrize("zeroed", range(24))
def test_tar_with_any_header_zeroed_is_refused(zeroed: int, tmp_path: Path) -> None:
    place = list(_headers().values())[zeroed]
    data = _archive("tar")
    (tmp_path / "a.tar").write_bytes(data[:place] + bytes(BLOCK) + data[place + BLOCK :])
    assert _unpacked(tmp_path / "a.tar", tmp_path / "out") is None


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_tar_whose_end_is_missing_is_refused(form: str, tmp_path: Path) -> None:
    data, packed = _archive("tar"), tmp_path / f"a.{form}"
    end = len(data.rstrip(b"\0"))
    for blocks, whole in ((0, False), (1, False), (2, True), (3, True)):
        plain = data[: -(-end // BLOCK) * BLOCK] + bytes(blocks * BLOCK)
        packed.write_bytes(_compressed(form, plain))
        assert (_unpacked(packed, tmp_path / "out") == _content()) is whole


def _compressed(form: str, data: bytes) -> bytes:
    import bz2
    import gzip
    import lzma

    packers = {"tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}
    return packers[form](data) if form in packers else data


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_second_tar_after_the_first_is_refused(form: str, tmp_path: Path) -> None:
    packed = tmp_path / f"a.{form}"
    packed.write_bytes(_archive(form) + _archive(form))
    assert _unpacked(packed, tmp_path / "out") is None


@pytest.mark.parametrize("form", ["tar.gz", "tar.xz"])
def test_the_checksum_at_the_end_of_a_compressed_tar_is_read(form: str, tmp_path: Path) -> None:
    data = bytearray(_archive(form))
    data[-8 if form == "tar.gz" else -24] ^= 1
    (tmp_path / f"a.{form}").write_bytes(data)
    assert _unpacked(tmp_path / f"a.{form}", tmp_path / "out") is None


def test_tar_with_a_negative_size_is_refused_and_not_read_forever(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.png")
    info.pax_headers = {"size": "-1536"}
    content = info.tobuf(tarfile.PAX_FORMAT)
    (tmp_path / "a.tar").write_bytes(content + bytes(10 * BLOCK))
    assert _unpacked(tmp_path / "a.tar", tmp_path / "out") is None


def test_record_of_gigabytes_before_a_header_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10 * BLOCK))
    assert _unpacked(tmp_path / "a.tar", tmp_path / "out") is None


@pytest.mark.parametrize("behind", [b"x", _archive("zip")[:-30], _archive("zip")])
def test_bytes_before_or_after_a_zip_are_refused(behind: bytes, tmp_path: Path) -> None:
    for data in (behind + _archive("zip"), _archive("zip") + behind):
        (tmp_path / "a.zip").write_bytes(data)
        assert _unpacked(tmp_path / "a.zip", tmp_path / "out") is None


def test_zip_whose_directory_lists_fewer_members_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name, content in _content().items():
            file.writestr(name, content)
        for number in (0, 5, len(_content()) - 3):
            file.filelist.pop(number)
    assert _unpacked(tmp_path / "a.zip", tmp_path / "out") is None


@pytest.mark.parametrize("field", [14, 18, 22, 8, 6])
def test_zip_whose_directory_and_headers_disagree_is_refused(field: int, tmp_path: Path) -> None:
    data = bytearray(_archive("zip"))
    data[field] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert _unpacked(tmp_path / "a.zip", tmp_path / "out") is None


class _Pipe(io.BytesIO):
    """A file that cannot go back: sizes then follow the members."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise OSError


def test_zip_that_was_written_into_a_pipe_comes_out_whole(tmp_path: Path) -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:
        file.comment = b"sizes stand behind the members"
        file.mkdir("empty")
        for name, content in _content().items():
            with file.open(name, "w", force_zip64=name.startswith("sad")) as member:
                member.write(content)
    (tmp_path / "a.zip").write_bytes(pipe.getvalue())
    assert _unpacked(tmp_path / "a.zip", tmp_path / "out") == _content()


@pytest.mark.slow
def test_zip_of_more_than_65535_members_comes_out_whole(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for number in range(65_540):
            file.writestr(f"__MACOSX/{number}", b"")
        file.writestr("a.png", b"x")
    assert _unpacked(tmp_path / "a.zip", tmp_path / "out") == {"a.png": b"x"}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_of_all_dialects_come_out_whole(form: int, tmp_path: Path) -> None:
    long = "a" * 60 + "/" + "b" * 90 + ".png"
    names = [long, "a.png"] + ["ä/Ü.png"] * (form != tarfile.USTAR_FORMAT)
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "a.tar", "w", format=form) as file:
        file.add(tmp_path / "in", ".")
    assert _unpacked(packed / "a.tar", packed / "out") == {n: n.encode() for n in names}
