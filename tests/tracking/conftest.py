"""A scored study and its record in MLflow, without trained networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.fabricated_study import fabricate, fabricate_reports

from ferbench.config.params import Params
from ferbench.config.runs import all_runs
from ferbench.evaluation.scoreboard import score_study, write_scoreboard
from ferbench.files import read_json, write_json
from ferbench.tracking import publish


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cells whose model was logged, in the place of logging it."""
    keys: list[str] = []
    monkeypatch.setattr(publish, "load_trained", lambda path: path)
    monkeypatch.setattr(
        publish, "logged_model", lambda study, record, model: keys.append(record["run_key"])
    )
    return keys


@pytest.fixture
def study(own_store: Path) -> Params:
    """A scored study in the current folder, as another machine left it."""
    root = Path()
    params = dataclasses.replace(fabricate(root, faces=40, probes=True), explain={})
    fabricate_reports(root, params)
    write_scoreboard(score_study(params, root), root / "reports" / "demo")
    for cell in all_runs(params):
        path = cell.folder / "run.json"
        more = {"run_key": cell.name, "data_digest": "d" * 64, "paper": "p1"}
        write_json(path, read_json(path) | more)
        write_json(cell.folder / "evaluation.json", {"device": "cpu"})
        about = Path("reports", "demo", "variants", f"{cell.variant}.json")
        write_json(about, read_json(about) | {"row": {"head": "pooled"}, "recipe": {"lr": 0.1}})
    return params
