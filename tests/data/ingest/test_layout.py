"""Links, pipes and odd names in a data set's folder: followed or refused, never passed over."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ferbench.data.ingest import layout as walk
from ferbench.data.ingest.fetch import fetch
from ferbench.data.ingest.layout import files_below, find_folder, folders, image_ids, images
from ferbench.data.sources.folder import Folder
from ferbench.errors import InputError

Draw = Callable[..., Path]


@pytest.fixture
def data(tmp_path: Path, draw: Draw) -> Path:
    """A folder per class, of eight images each."""
    for place, word in enumerate(("happy", "sad", "fear")):
        for number in range(8):
            draw(tmp_path / f"data/{word}/{number}.png", 10 * place + number)
    return tmp_path / "data"


def _read(data: Path) -> list[str]:
    """Paths that come out of fetching and reading a folder."""
    raw = data.parent / "raw"
    fetch(Folder(), "folder", str(data), raw)
    assert not any(path.is_symlink() for path in raw.rglob("*"))
    return [record.path for record in Folder().read(raw).records]


def _refused(data: Path) -> str:
    with pytest.raises(InputError) as caught:
        _read(data)
    assert caught.value.remedy
    assert [
        path.name for path in data.parent.iterdir() if path.name.startswith((".raw", "raw"))
    ] == []
    with pytest.raises(InputError):
        images(data)
    return str(caught.value)


def test_linked_class_folders_are_copied_and_not_dropped(data: Path, tmp_path: Path) -> None:
    whole = _read(data)
    (data / "sad").rename(tmp_path / "elsewhere")
    (data / "sad").symlink_to(tmp_path / "elsewhere")
    (data / "fear").rename(data / "happy/inner")
    (data / "fear").symlink_to("happy/inner")
    assert len(whole) == 24
    assert set(whole) < set(_read(data))
    assert {path.name for path in folders(data)} == {"happy", "sad", "fear"}
    assert len(images(data)) == 32


def test_linked_file_is_copied(data: Path, tmp_path: Path, draw: Draw) -> None:
    (data / "sad/linked.png").symlink_to(draw(tmp_path / "x.png", 99))
    assert "sad/linked.png" in _read(data)


@pytest.mark.parametrize("target", [".", "..", "/", "../happy"])
def test_link_that_leads_back_is_refused(data: Path, target: str) -> None:
    (data / "happy/link").symlink_to(target)
    message = _refused(data)
    assert "happy/link: a link that leads back" in message
    with pytest.raises(InputError, match="leads back"):
        find_folder(data, ["nowhere"])


def test_circular_links_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/back").symlink_to(data)
    (data / "happy/there").symlink_to(tmp_path / "other")
    assert "happy/there/back: a link that leads back" in _refused(data)


@pytest.mark.parametrize("target", ["nowhere.png", "1.png/x", "link.png"])
def test_link_that_leads_nowhere_is_refused(data: Path, target: str) -> None:
    (data / "sad/link.png").symlink_to(target)
    assert f"sad/link.png: a link that leads nowhere ({target})" in _refused(data)


def test_pipe_and_socket_are_refused_and_not_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(data / "sad/pipe.png")
    assert "sad/pipe.png: neither a file nor a folder" in _refused(data)
    (data / "sad/pipe.png").unlink()
    monkeypatch.chdir(data)  # the name of a socket has a hundred bytes at most
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sad/s")
        assert "sad/s: neither a file nor a folder" in _refused(data)


def test_pipe_as_the_archive_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.zip")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        fetch(Folder(), "folder", str(tmp_path / "data.zip"), tmp_path / "raw")


def test_name_that_is_not_utf8_is_refused(data: Path) -> None:
    with Path(os.fsdecode(bytes(data / "sad") + b"/caf\xe9.png")).open("wb"):
        pass
    message = _refused(data)
    assert "caf\\udce9.png' is not UTF-8" in message
    assert message.encode()


def test_folder_that_cannot_be_read_is_refused_and_not_taken_for_empty(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = os.listdir

    def deny(folder: Path) -> list[str]:
        if folder.name == "sad":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(walk.os, "listdir", deny)
    assert "sad: cannot be read (Permission denied)" in _refused(data)


def test_long_path_becomes_a_short_distinct_id(data: Path) -> None:
    long = [f"{'a' * 150}/{'b' * 150}/{word}" for word in ("one", "two")]
    first, second, plain = image_ids([*long, "c/1"], [*long, "c/1"])
    assert first != second
    assert max(map(len, (first, second))) < 200
    assert plain == "c_1"
    (data / "sad" / ("c" * 200)).mkdir()
    (data / "sad/0.png").rename(data / "sad" / ("c" * 200) / ("d" * 200 + ".png"))
    assert len(_read(data)) == 24
    assert max(len(r.image_id) for r in Folder().read(data.parent / "raw").records) < 200


def test_file_and_folder_of_one_name_are_refused(data: Path, tmp_path: Path, draw: Draw) -> None:
    import zipfile

    with zipfile.ZipFile(data / "part.zip", "w") as file:
        file.writestr("sad", b"x")
    with pytest.raises(InputError) as caught:
        fetch(Folder(), "folder", str(data), tmp_path / "raw")
    assert caught.value.remedy


def test_too_many_files_are_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ferbench.data.ingest.archives import Limits

    monkeypatch.setattr(walk, "Limits", lambda: Limits(members=23))
    with pytest.raises(InputError, match="more than 23 files"):
        list(files_below(data))


def test_litter_is_ignored(data: Path) -> None:
    (data / "__MACOSX").mkdir()
    (data / "__MACOSX/._0.png").symlink_to("nowhere")
    (data / "sad/.DS_Store").write_bytes(b"x")
    assert len(_read(data)) == 24
