"""Where data comes from, in which order, and that a raw folder is whole or absent."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ferbench.data.ingest import fetch as fetching
from ferbench.data.ingest.fetch import fetch
from ferbench.data.ingest.source import Metadata, Reading, Source
from ferbench.errors import InputError
from ferbench.files import sha256_file

Zipped = Callable[[Path, Path], Path]

PLAIN = Metadata(
    title="Toy",
    citation="none",
    licence="CC0",
    version="1",
    images=None,
    emotions=("fear",),
    faults="none",
    archives=("toy.zip",),
    alternatives={"toy.zip": ("other.zip",)},
    steps="put toy.zip into FERBENCH_DATA",
)


def _source(metadata: Metadata = PLAIN) -> Source:
    class Toy(Source):
        METADATA = metadata

        def read(self, root: Path) -> Reading:
            return Reading()

    return Toy()


def _tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data folder, no credentials and no cache but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("FERBENCH_DATA", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setattr(fetching, "CACHE", tmp_path / "cache")


@pytest.fixture
def content(tmp_path: Path) -> Path:
    (tmp_path / "content/a").mkdir(parents=True)
    (tmp_path / "content/a/1.txt").write_text("one")
    (tmp_path / "content/2.txt").write_text("two")
    return tmp_path / "content"


def test_archive_is_found_in_the_data_folder_and_recorded(
    tmp_path: Path, content: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir()
    archive = zipped(content, tmp_path / "store/toy.zip")
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / "store"))
    fetch(_source(), "toy", None, tmp_path / "raw")
    assert _tree(tmp_path / "raw") == _tree(content)
    assert json.loads((tmp_path / "raw/.ferbench.json").read_text()) == {
        "source": "toy",
        "archives": {"toy.zip": sha256_file(archive)},
        "files": 2,
        "unverified": ["toy.zip"],
    }


@pytest.mark.parametrize("cell", ["mine.zip", "store/mine.zip", "absolute", "content"])
def test_row_names_a_file_or_a_folder(
    tmp_path: Path, content: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    (tmp_path / "store").mkdir()
    archive = zipped(content, tmp_path / "store/mine.zip")
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / "store"))
    fetch(_source(), "toy", str(archive) if cell == "absolute" else cell, tmp_path / "raw")
    assert _tree(tmp_path / "raw") == _tree(content)
    assert (content / "a/1.txt").read_text() == "one"


def test_folder_of_archives_is_unpacked(tmp_path: Path, content: Path, zipped: Zipped) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    (tmp_path / "store").mkdir()
    zipped(tmp_path / "one", tmp_path / "store/a.zip")
    zipped(tmp_path / "two", tmp_path / "store/b.zip")
    fetch(_source(), "toy", "store", tmp_path / "raw")
    assert _tree(tmp_path / "raw") == {"one.txt": b"one", "two.txt": b"two"}


def test_all_archives_of_a_source_are_needed(
    tmp_path: Path, content: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _source(replace(PLAIN, archives=("toy.zip", "labels.csv")))
    (tmp_path / "store").mkdir()
    zipped(content, tmp_path / "store/toy.zip")
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / "store"))
    with pytest.raises(InputError, match=r"labels\.csv: not found"):
        fetch(source, "toy", None, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
    (tmp_path / "store/labels.csv").write_text("a,b")
    record = fetch(source, "toy", None, tmp_path / "raw")
    assert _tree(tmp_path / "raw") == {**_tree(content), "labels.csv": b"a,b"}
    assert sorted(record["archives"]) == ["labels.csv", "toy.zip"]


def test_file_of_another_name_replaces_the_first_archive(
    tmp_path: Path, content: Path, zipped: Zipped
) -> None:
    source = _source(replace(PLAIN, archives=("toy.zip", "labels.csv")))
    (tmp_path / "store").mkdir()
    zipped(content, tmp_path / "store/mine.zip")
    (tmp_path / "store/labels.csv").write_text("a,b")
    fetch(source, "toy", "store/mine.zip", tmp_path / "raw")
    assert "labels.csv" in _tree(tmp_path / "raw")


def test_wrong_checksum_is_refused_with_both_sums(
    tmp_path: Path, content: Path, zipped: Zipped
) -> None:
    known = hashlib.sha256(b"published").hexdigest()
    source = _source(replace(PLAIN, sha256={"toy.zip": known}))
    archive = zipped(content, tmp_path / "toy.zip")
    with pytest.raises(InputError) as caught:
        fetch(source, "toy", "toy.zip", tmp_path / "raw")
    assert known in str(caught.value)
    assert sha256_file(archive) in str(caught.value)
    assert "another name" in caught.value.remedy
    assert not (tmp_path / "raw").exists()
    record = fetch(source, "toy", str(archive.rename(tmp_path / "mine.zip")), tmp_path / "raw")
    assert record["unverified"] == ["mine.zip"]


def test_right_checksum_is_verified(tmp_path: Path, content: Path, zipped: Zipped) -> None:
    archive = zipped(content, tmp_path / "toy.zip")
    source = _source(replace(PLAIN, sha256={"toy.zip": sha256_file(archive)}))
    assert fetch(source, "toy", "toy.zip", tmp_path / "raw")["unverified"] == []


@pytest.mark.parametrize("cell", [None, "nowhere.zip"])
def test_missing_archive_is_answered_with_the_steps(tmp_path: Path, cell: str | None) -> None:
    with pytest.raises(InputError) as caught:
        fetch(_source(), "toy", cell, tmp_path / "raw")
    assert caught.value.remedy == PLAIN.steps
    assert "CC0" in str(caught.value)
    assert "FERBENCH_DATA: not set" in str(caught.value)


def test_source_without_archive_names_requires_the_rows_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="archive:"):
        fetch(_source(replace(PLAIN, archives=())), "toy", None, tmp_path / "raw")


def test_data_folder_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"FERBENCH_DATA=.*nowhere: no folder"):
        fetch(_source(), "toy", None, tmp_path / "raw")


def test_failure_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, content: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped(content, tmp_path / "mine.zip")
    (tmp_path / "data").mkdir()
    written: list[Path] = []

    def stop(member: Any, target: Path, archive: Path) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(target)
        target.write_text("half")

    with monkeypatch.context() as patch:
        patch.setattr("ferbench.data.ingest.archives._write", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch(_source(), "toy", "mine.zip", tmp_path / "data/raw")
    assert written
    assert list((tmp_path / "data").iterdir()) == []
    fetch(_source(), "toy", "mine.zip", tmp_path / "data/raw")
    whole = _tree(tmp_path / "data/raw")
    with monkeypatch.context() as patch:
        patch.setattr("ferbench.data.ingest.archives._write", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch(_source(), "toy", "mine.zip", tmp_path / "data/raw")
    assert _tree(tmp_path / "data/raw") == whole


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path, content: Path) -> None:
    (tmp_path / "data/.raw.abc123").mkdir(parents=True)
    (tmp_path / "data/.raw_more.abc123").mkdir(parents=True)
    fetch(_source(), "toy", "content", tmp_path / "data/raw")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"raw", ".raw_more.abc123"}


def test_source_that_makes_its_data_needs_no_archive(tmp_path: Path) -> None:
    class Made(Source):
        METADATA = PLAIN

        def read(self, root: Path) -> Reading:
            return Reading()

        def make(self, root: Path) -> dict[str, str]:
            (root / "made.txt").write_text("x")
            return {}

        def prepare(self, root: Path) -> None:
            (root / "made.txt").rename(root / "prepared.txt")

    record = fetch(Made(), "made", None, tmp_path / "raw")
    assert record == {"source": "made", "archives": {}, "files": 1, "unverified": []}
    assert _tree(tmp_path / "raw") == {"prepared.txt": b"x"}


def test_one_file_from_two_archives_is_refused(tmp_path: Path, content: Path) -> None:
    source = _source(replace(PLAIN, archives=("toy.zip", "2.txt")))
    (tmp_path / "store/toy.zip").mkdir(parents=True)
    (tmp_path / "store/toy.zip/2.txt").write_text("x")
    (tmp_path / "store/2.txt").write_text("y")
    with pytest.raises(InputError, match="two archives"):
        fetch(source, "toy", "store", tmp_path / "raw")


def test_missing_kaggle_credentials_are_answered_with_the_steps(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Kaggle credentials") as caught:
        fetch(_source(replace(PLAIN, kaggle="owner/toy")), "toy", None, tmp_path / "raw")
    for word in ("accept", "KAGGLE_API_TOKEN", "KAGGLE_KEY", "kaggle.json", PLAIN.steps):
        assert word in caught.value.remedy


@pytest.mark.parametrize("cell", [None, "kaggle:someone/else"])
def test_kaggle_is_queried_with_the_users_credentials(
    tmp_path: Path, content: Path, monkeypatch: pytest.MonkeyPatch, cell: str | None
) -> None:
    asked: list[str] = []

    def download(handle: str) -> str:
        asked.append(handle)
        return str(content)

    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "x")
    monkeypatch.setattr("kagglehub.dataset_download", download)
    fetch(_source(replace(PLAIN, kaggle="owner/toy")), "toy", cell, tmp_path / "raw")
    assert asked == ["owner/toy" if cell is None else "someone/else"]
    assert _tree(tmp_path / "raw") == _tree(content)


def test_refusal_by_kaggle_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: str) -> str:
        raise RuntimeError("403 Client Error")

    monkeypatch.setenv("KAGGLE_API_TOKEN", "x")
    monkeypatch.setattr("kagglehub.dataset_download", refuse)
    with pytest.raises(InputError, match="403"):
        fetch(_source(), "toy", "kaggle:owner/toy", tmp_path / "raw")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of a server of the folder `served`."""
    (tmp_path / "served").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_url_of_a_row_is_fetched_once(
    tmp_path: Path, content: Path, zipped: Zipped, served: str
) -> None:
    archive = zipped(content, tmp_path / "served/toy.zip")
    fetch(_source(), "toy", f"{served}/toy.zip", tmp_path / "raw")
    assert _tree(tmp_path / "raw") == _tree(content)
    archive.unlink()
    fetch(_source(), "toy", f"{served}/toy.zip", tmp_path / "raw")
    assert _tree(tmp_path / "raw") == _tree(content)


def test_url_of_a_source_is_tried_last(
    tmp_path: Path, content: Path, zipped: Zipped, served: str
) -> None:
    zipped(content, tmp_path / "served/other.zip")
    source = _source(replace(PLAIN, url=f"{served}/other.zip"))
    assert list(fetch(source, "toy", None, tmp_path / "raw")["archives"]) == ["other.zip"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/toy.zip", "{served}/absent.zip"])
def test_url_that_does_not_answer_is_an_error(tmp_path: Path, served: str, url: str) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch(_source(), "toy", url.format(served=served), tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_disk_full_passes_through_and_leaves_nothing(
    tmp_path: Path, content: Path, zipped: Zipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped(content, tmp_path / "mine.zip")
    (tmp_path / "data").mkdir()

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(fetching, "extract", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(_source(), "toy", "mine.zip", tmp_path / "data/raw")
    assert list((tmp_path / "data").iterdir()) == []
