"""The command that opens MLflow on the active study's runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.example_study import PROJECT

from ferbench.cli.main import main
from ferbench.config.params import Params, load_params
from ferbench.tracking.runs import experiment_id
from ferbench.tracking.store import connect

Calls = list[dict[str, Any]]


@pytest.fixture
def started(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The processes that are started, in a project whose active study is the demo."""
    calls: Calls = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        calls.append({"command": command, **options})
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(subprocess, "run", run)
    Path("params.yaml").write_bytes((PROJECT / "params.yaml").read_bytes())
    return calls


def test_address_is_that_of_the_active_studys_runs(
    started: Calls, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = experiment_id(connect(), load_params().study.name)
    assert main(["ui", "--port", "5055"]) == 3
    (call,) = started
    assert call["command"][-4:] == ["--host", "127.0.0.1", "--port", "5055"]
    assert call["env"]["MLFLOW_BACKEND_STORE_URI"].startswith("sqlite:///")
    assert not [word for word in call["command"] if "sqlite" in word]
    address = f"http://127.0.0.1:5055/#/experiments/{number}/runs?workflowType=machine_learning"
    assert capsys.readouterr().out.splitlines()[0] == address


def test_study_without_runs_gets_no_experiment(
    started: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ui"]) == 3
    assert "has no runs yet" in capsys.readouterr().out
    assert connect().get_experiment_by_name(load_params().study.name) is None
    assert len(started) == 1


def test_runs_that_only_have_files_are_added_before_the_pages_open(
    started: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferbench.tracking.publish.missing_runs", lambda params: [1, 2])

    def publish(params: Params, _: object) -> None:
        assert not started
        experiment_id(connect(), params.study.name)

    monkeypatch.setattr("ferbench.tracking.publish.publish_study", publish)
    assert main(["ui"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "runs of study demo added to MLflow from their files: 2"
    assert "/#/experiments/" in lines[1]


def test_pages_open_although_a_study_is_not_complete(
    started: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferbench.tracking.publish.missing_runs", lambda params: [1])
    assert main(["ui"]) == 3
    told = capsys.readouterr()
    assert "finished runs of study demo that MLflow lacks: 1; they cannot be added: " in told.err
    assert "remedy: run `dvc pull` or `ferbench repro` first" in told.err
    assert "has no runs yet" in told.out


def test_server_is_named_without_its_password_and_not_started(
    started: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = SimpleNamespace(experiment_id="7")
    client = SimpleNamespace(get_experiment_by_name=lambda _: experiment)
    monkeypatch.setattr("ferbench.tracking.store.connect", lambda: client)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@runs.example.org/")
    assert main(["ui"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("https://runs.example.org/#/experiments/7/runs?")
    assert "secret" not in told
    assert not started
