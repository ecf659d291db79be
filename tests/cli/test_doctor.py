"""The doctor finds what is wrong and says what would do."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from ferbench.cli.commands import doctor
from ferbench.cli.main import main
from ferbench.tracking import store

Gpu = namedtuple("Gpu", "stdout")


def test_an_empty_folder_fails_with_a_remedy_for_each_fault(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tools: dict[str, tuple[bool, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    tools["dvc"] = (True, "")
    monkeypatch.delenv("FERBENCH_DATA", raising=False)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("warn", "fail")):
            assert "remedy:" in lines[number + 1]
    assert any(line.startswith("fail dvc") for line in lines)
    assert any(line.startswith("fail params.yaml") for line in lines)


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ("robustness", {"sizes": []}, "robustness: canvas: "),
        ("robustness", {"limit": 0}, "limit is 0"),
        ("datasets", {"form": 3}, "datasets: faces: options: form: must be a word"),
    ],
)
def test_an_option_that_its_part_refuses_is_named_with_its_row(
    project: Path, table: str, options: dict[str, object], words: str
) -> None:
    tree = yaml.safe_load(Path("studies/first.yaml").read_text())
    next(iter(tree[table].values()))["options"] = options
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    read, refused = doctor._params()
    assert (read.state, refused.state) == ("ok", "fail")
    assert words in refused.found
    assert refused.remedy


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[bool, str]]:
    """What `pip check` and `dvc doctor` print, by their first word, instead of running them."""
    printed = {"pip": (True, "No broken requirements found."), "dvc": (True, "Repo: dvc, git")}
    monkeypatch.setattr(doctor, "_output", lambda *words: printed[words[1]])
    return printed


def test_a_package_of_another_version_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: dict[str, tuple[bool, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor._packages().state == "warn"
    Path("requirements.lock").write_text("# lock\nnumpy==1.0\nnot_installed==3\n")
    check = doctor._packages()
    assert check.state == "warn"
    assert "numpy" in check.found
    assert "instead of 1.0" in check.found
    assert "not_installed" not in check.found


def test_a_requirement_that_is_not_met_is_named(tools: dict[str, tuple[bool, str]]) -> None:
    tools["pip"] = (False, "ferbench 0.1.0 requires numpy, which is not installed.")
    check = doctor._packages()
    assert (check.state, check.found) == ("fail", tools["pip"][1])


@pytest.mark.parametrize(
    ("printed", "state"),
    [
        ((True, "DVC version: 3\nRepo: dvc, git\n"), "ok"),
        ((True, "DVC version: 3\nRepo: dvc (no_scm)\n"), "fail"),
        ((True, "DVC version: 3\n"), "fail"),
        ((False, "No module named dvc"), "fail"),
    ],
)
def test_dvc_needs_its_own_folder_and_a_git_repository(
    tools: dict[str, tuple[bool, str]], printed: tuple[bool, str], state: str
) -> None:
    tools["dvc"] = printed
    assert doctor._dvc().state == state


def test_dvc_and_pip_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor._dvc().state == "fail"
    well, printed = doctor._output("-m", "pip", "--version")
    assert well
    assert printed.startswith("pip ")


def test_a_report_for_a_bug_has_what_other_tools_print(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tools: dict[str, tuple[bool, str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "REPORTS", (("-c", "print('all of it')"),))
    assert main(["doctor", "--report"]) == 1
    assert "\nall of it\n" in capfd.readouterr().out


def test_an_archive_is_known_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    path.write_bytes(b"faces")
    true = hashlib.sha256(b"faces").hexdigest()
    assert doctor._archive("faces", path, {"faces.zip": true}).state == "ok"
    assert doctor._archive("faces", path, {"faces.zip": "0" * 64}).state == "fail"
    assert doctor._archive("faces", path, {}).state == "warn"


def test_a_data_folder_that_is_not_there_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / "nowhere"))
    assert [check.state for check in doctor._archives()] == ["fail"]
    monkeypatch.delenv("FERBENCH_DATA")
    assert [check.state for check in doctor._archives()] == ["ok"]


def test_credentials_are_found_and_never_shown(tmp_path: Path) -> None:
    secret = "hunter2"
    with_key = doctor._kaggle({"KAGGLE_USERNAME": "a", "KAGGLE_KEY": secret}, tmp_path)
    assert with_key.found == "credentials are there"
    assert "no credentials" in doctor._kaggle({"KAGGLE_KEY": secret}, tmp_path).found
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text(secret)
    check = doctor._kaggle({}, tmp_path)
    assert check.found == "credentials are there"
    assert secret not in repr(check)


@pytest.mark.thorough
def test_a_broken_tracking_store_is_found(tmp_path: Path, empty_store: Path) -> None:
    path = tmp_path / "mlflow.db"
    uri = f"sqlite:///{path}"
    assert doctor._tracking(uri).found.endswith("is made on first use")
    assert not path.exists()
    path.write_bytes(b"no database" * 100)
    assert doctor._tracking(uri).state == "fail"
    shutil.copy(empty_store, path)
    assert doctor._tracking(uri).found.endswith("holds 0 runs")


def test_a_tracking_store_of_another_program_is_found(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    database = sqlite3.connect(path)
    database.executescript("create table runs (id text); insert into runs values ('a')")
    database.close()
    check = doctor._tracking(f"sqlite:///{path}")
    assert (check.state, "schema none instead of" in check.found) == ("fail", True)


def test_a_locked_tracking_store_is_found(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_BUSY_S", 0.1)
    path = Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("begin exclusive")
        check = doctor._tracking(f"sqlite:///{path}")
    assert (check.state, check.found) == ("fail", f"sqlite:///{path}: is locked by another process")


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_credentials_of_a_tracking_server_are_not_shown(scheme: str) -> None:
    check = doctor._tracking(f"{scheme}://me:hunter2@127.0.0.1:9/runs?password=hunter2")
    assert check.state == "fail"
    assert "hunter2" not in repr(check)


def test_a_tracking_server_that_is_silent_is_found() -> None:
    # Port 9 (discard) of this machine: nothing listens there.
    check = doctor._tracking("http://127.0.0.1:9")
    assert (check.state, check.remedy) == ("fail", "correct MLFLOW_TRACKING_URI")


def test_a_machine_without_a_gpu_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    assert doctor._gpu().state == "ok"


def test_a_gpu_that_torch_cannot_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: Gpu("GPU 0: T4 (UUID)\n"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check = doctor._gpu()
    assert check.state == "warn"
    assert "driver" in check.remedy
