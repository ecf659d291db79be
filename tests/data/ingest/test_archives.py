"""Archives that are broken or hostile are refused by name, and good ones come out whole."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.data.ingest.archives import Limits, extract, is_archive
from ferbench.errors import InputError
from ferbench.files import fresh_folder

CONTENT = {"a/1.txt": b"one", "a/b/2.txt": b"two" * 1000, "empty.txt": b""}


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def _tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def _content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _refused(archive: Path, tmp_path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught, fresh_folder(tmp_path / "out") as folder:
        extract(archive, folder, limits)
    assert not (tmp_path / "out").exists()
    assert caught.value.remedy
    assert archive.name in str(caught.value)
    left = [path.name for path in tmp_path.iterdir() if path != archive]
    assert left == []
    return str(caught.value)


def test_zip_comes_out_whole(tmp_path: Path) -> None:
    extract(_zip(tmp_path / "a.zip", CONTENT), tmp_path / "out")
    assert _content(tmp_path / "out") == CONTENT


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_tar_comes_out_whole(tmp_path: Path, kind: str) -> None:
    mode = f"w:{kind[4:]}"
    extract(_tar(tmp_path / f"a.{kind}", CONTENT, mode), tmp_path / "out")
    assert _content(tmp_path / "out") == CONTENT


def test_files_that_desktops_leave_behind_are_not_extracted(tmp_path: Path) -> None:
    litter = {"__MACOSX/a/._1.txt": b"x", "a/.DS_Store": b"x", "a/._1.txt": b"x"}
    extract(_zip(tmp_path / "a.zip", CONTENT | litter), tmp_path / "out")
    assert _content(tmp_path / "out") == CONTENT


def test_backslashes_of_windows_archives_are_folders(tmp_path: Path) -> None:
    extract(_zip(tmp_path / "a.zip", {"a\\b\\1.txt": b"x"}), tmp_path / "out")
    assert _content(tmp_path / "out") == {"a/b/1.txt": b"x"}


@pytest.mark.parametrize(
    "name",
    ["../out.txt", "a/../../out.txt", "/etc/out.txt", "C:/out.txt", "..\\out.txt", "c:out.txt"],
)
@pytest.mark.parametrize("pack", [_zip, _tar])
def test_path_that_leaves_the_folder_is_refused(
    tmp_path: Path, name: str, pack: Callable[..., Path]
) -> None:
    archive = tmp_path / ("a.zip" if pack is _zip else "a.tar.gz")
    message = _refused(pack(archive, {"fine.txt": b"x", name: b"x"}), tmp_path)
    assert "outside" in message


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    assert "link is a link, a device" in _refused(tmp_path / "a.tar", tmp_path)


def test_symbolic_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    assert "link is a link" in _refused(tmp_path / "a.zip", tmp_path)


@pytest.mark.parametrize("pack", [_zip, _tar])
def test_bombs_are_refused_before_they_are_written(
    tmp_path: Path, pack: Callable[..., Path]
) -> None:
    archive = tmp_path / ("a.zip" if pack is _zip else "a.tar.gz")
    pack(archive, {"zeros": bytes(1 << 20)})
    assert "far more than its size" in _refused(archive, tmp_path, Limits(ratio=50, free=1 << 16))
    assert "more than 1000 bytes" in _refused(archive, tmp_path, Limits(size=1000))
    pack(archive, {"1": b"", "2": b"", "3": b""})
    assert "more than 2 files" in _refused(archive, tmp_path, Limits(members=2))


def test_archive_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    assert "b/../a" not in CONTENT
    _tar(tmp_path / "a.tar", {"a": b"1", "./a": b"2"}, "w:")
    assert "twice" in _refused(tmp_path / "a.tar", tmp_path)


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"a": b"x"})
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    archive.write_bytes(data)
    message = _refused(archive, tmp_path)
    assert "encrypted" in message
    assert "password" in message


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_truncated_archive_is_refused(tmp_path: Path, kind: str, part: float) -> None:
    import random

    content = {f"{i}.bin": random.Random(i).randbytes(5000) for i in range(20)}
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        _zip(archive, content)
    else:
        _tar(archive, content, f"w:{kind[4:]}")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * part)])
    assert "cannot be read" in _refused(archive, tmp_path)


def test_changed_byte_in_a_zip_is_found(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", b"hello world")
    archive.write_bytes(archive.read_bytes().replace(b"hello", b"jello"))
    assert "CRC" in _refused(archive, tmp_path)


@pytest.mark.parametrize("name", ["a.zip", "a.7z", "a.rar", "a.tar.gz"])
def test_file_that_is_not_an_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<html>Please log in</html>")
    assert is_archive(tmp_path / name)
    assert "not a zip or tar archive" in _refused(tmp_path / name, tmp_path)


def test_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in _refused(_zip(tmp_path / "a.zip", {"a": b"", "a/b": b""}), tmp_path)


def test_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path) -> None:
    inner = _zip(tmp_path / "inner.zip", {"x": b"x"}).read_bytes()
    extract(_tar(tmp_path / "a.tar", {"a": b"1", "inner.zip": inner}, "w:"), tmp_path / "out")
    assert _content(tmp_path / "out") == {"a": b"1", "inner.zip": inner}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/" + "n" * 256 + ".png", "a name of 260 bytes; file systems accept 255"),
        ("a/" + "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 130 + ".png", "a name of 264 bytes"),
        ("a/1.png.", "ends with a dot"),
        ("a./1.png", "ends with a dot"),
    ],
)
@pytest.mark.parametrize("pack", [_zip, _tar])
def test_name_that_file_systems_do_not_take_is_refused(
    tmp_path: Path, name: str, why: str, pack: Callable[..., Path]
) -> None:
    archive = tmp_path / ("a.zip" if pack is _zip else "a.tar.gz")
    pack(archive, {"fine.txt": b"x", name: b"x"})
    assert why in _refused(archive, tmp_path)


def test_zip_name_with_a_zero_byte_is_refused_and_not_cut_there(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"fine.txt": b"x", "a/1Q.png": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"1Q", b"1\0"))
    assert "a zero byte" in _refused(archive, tmp_path)


def test_name_that_is_not_utf8_is_refused_and_printable(tmp_path: Path) -> None:
    _tar(tmp_path / "a.tar", {"fine.txt": b"x", "a/caf\udce9.png": b"x"}, "w:")
    message = _refused(tmp_path / "a.tar", tmp_path)
    assert "not UTF-8" in message
    assert message.encode()


def test_path_longer_than_the_file_system_takes_is_refused(tmp_path: Path) -> None:
    name = "/".join(["n" * 250] * 20)
    assert "too long" in _refused(_zip(tmp_path / "a.zip", {name: b"x"}), tmp_path)


def test_folder_with_content_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"foto": b"x" * 9})
    archive.write_bytes(archive.read_bytes().replace(b"foto", b"fot/"))
    assert "fot/ is a folder with content" in _refused(archive, tmp_path)
