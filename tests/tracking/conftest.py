"""A scored study to be recorded in MLflow, without trained networks."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from tests.example_study import PROJECT
from tests.fabricated_study import fabricate, fabricate_reports

from ferbench.artifacts.claims import write_claims
from ferbench.artifacts.runs import EvaluationRecord, RunRecord
from ferbench.config.claims import load_claims
from ferbench.config.params import Params
from ferbench.config.runs import all_runs
from ferbench.evaluation.scoreboard import score_study, write_scoreboard
from ferbench.files import read_json, write_json
from ferbench.stats.claim_rows import judge_claims
from ferbench.stats.evidence import read_evidence
from ferbench.tracking import publish
from ferbench.tracking.selection import SelectedRun


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the runs whose model was logged; nothing is logged or drawn."""
    keys: list[str] = []

    def log(selected: SelectedRun, score_threshold: float) -> None:
        assert score_threshold == 0.5
        keys.append(RunRecord.read(selected.run.folder / "run.json").run_key)

    monkeypatch.setattr(publish, "log_selected", log)
    for name in ("precision_recall_figure", "class_figure"):
        monkeypatch.setattr(publish, name, lambda table: plt.figure(figsize=(0.1, 0.1)))
    return keys


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Params, Path]:
    """A scored study and the project's folder that it is in."""
    root = tmp_path_factory.mktemp("scored")
    params = dataclasses.replace(fabricate(root, faces=40, probes=True), explain={})
    fabricate_reports(root, params)
    write_scoreboard(score_study(params, root), root / "reports" / "demo")
    claims = load_claims(PROJECT / "studies" / "catalogue" / "claims.yaml")
    rows = judge_claims(params, read_evidence(params, root), claims, {})
    write_claims(root / "reports" / "demo" / "claims.csv", rows)
    for run in all_runs(params):
        EvaluationRecord(device="cpu", splits={}).write(root / run.folder / "evaluation.json")
        description = root / "reports" / "demo" / "variants" / f"{run.variant}.json"
        more = {"row": {"head": "pooled"}, "recipe": {"lr": 0.1}}
        write_json(description, read_json(description) | more)
    return params, root


@pytest.fixture
def study(own_store: Path, scored: tuple[Params, Path]) -> Params:
    """The scored study in the current folder, as another machine left it."""
    params, root = scored
    shutil.copytree(root, own_store.parent, dirs_exist_ok=True)
    return params
