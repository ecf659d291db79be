"""A run's artifacts, and observers that follow a training without a part in it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.example_study import PROJECT

from ferbench.artifacts.runs import RunRecord, RunSetup
from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset
from ferbench.files import read_json, write_json
from ferbench.models.describe import describe
from ferbench.tracking.live import Recorder
from ferbench.tracking.runs import experiment_id, find_run
from ferbench.tracking.store import connect
from ferbench.training import provenance
from ferbench.training import run as training

VARIANT = "vgg_improved"


@dataclass
class Follower:
    """Remembers what it is called with."""

    setup: RunSetup | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    record: RunRecord | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    def on_start(self, setup: RunSetup) -> None:
        self.setup = setup

    def on_epoch(self, row: dict[str, float]) -> None:
        self.rows.append(row)

    def on_end(self, record: RunRecord, history: list[dict[str, float]]) -> None:
        self.record, self.history = record, history


class Failing(Follower):
    """Fails in the first epoch."""

    def on_epoch(self, row: dict[str, float]) -> None:
        super().on_epoch(row)
        raise RuntimeError("no curves today")


class Meddling(Follower):
    """Changes all that it is given, and the global random state, and fails."""

    def on_start(self, setup: RunSetup) -> None:
        setup.classes.clear()
        setup.hardware.clear()

    def on_epoch(self, row: dict[str, float]) -> None:
        row.clear()
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)

    def on_end(self, record: RunRecord, history: list[dict[str, float]]) -> None:
        record.classes.clear()
        history.clear()
        raise RuntimeError


Train = Callable[[Callable[..., Any] | None], Path]


@pytest.fixture
def train(
    own_store: Path, params: Params, stored: PackedDataset, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Trains two epochs and gives the run's folder; twice is as the first time."""
    cache = own_store.parent / "cache"
    monkeypatch.setattr(training, "CACHE", cache)
    monkeypatch.setattr(training, "open_dataset", lambda dataset, seed: stored)
    variant = replace(params.variants[VARIANT], paper="p1")  # so that deviations are listed
    recipe = replace(params.recipe_of(VARIANT), epochs=2)
    study = replace(
        params,
        variants={**params.variants, VARIANT: variant},
        recipes={**params.recipes, variant.recipe: recipe},
    )
    run = Run(study.study.name, VARIANT, next(iter(study.datasets)), 0)
    description = describe(VARIANT, variant, recipe)
    write_json(Path("reports", run.study, "variants", f"{VARIANT}.json"), description)

    def act(observer: Callable[..., Any] | None) -> Path:
        training.train_run(run, study, None if observer is None else lambda: observer(run, study))
        assert not any((cache / "checkpoints").glob("*")), "checkpoints stay behind"
        return run.folder

    return act


def results(folder: Path) -> tuple[bytes, pd.DataFrame, dict[str, Any]]:
    """Bytes of model.pt, history.csv without times, and run.json without times."""
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds")
    record = read_json(folder / "run.json")
    del record["train_seconds"], record["started"]
    return (folder / "model.pt").read_bytes(), history, record


def broken(*_: Any) -> Any:
    raise ImportError("tracking is being edited")


@pytest.mark.thorough
def test_training_gives_equal_results_with_and_without_any_observer(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    model, history, record = results(train(None))
    follower, failing, meddling = Follower(), Failing(), Meddling()
    observers: list[Callable[..., Any]] = [
        *(lambda *_, one=one: one for one in (follower, failing, meddling)),
        *(broken, Recorder),
    ]
    for observer, warnings in zip(observers, (0, 1, 1, 1, 0), strict=True):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            other_model, other_history, other_record = results(train(observer))
        assert other_model == model
        pd.testing.assert_frame_equal(other_history, history)
        assert other_record == record
        messages = [r.message for r in caplog.records if r.name == "ferbench.training.run"]
        assert len(messages) == warnings
        assert all("training continues without live curves" in message for message in messages)
    assert follower.setup is not None
    assert follower.record is not None
    assert follower.record.run_key == follower.setup.run_key == record["run_key"]
    assert [row["epoch"] for row in follower.rows] == [0, 1]
    assert follower.rows == follower.history
    assert len(failing.rows) == 1, "it is not called again in an epoch"
    assert failing.record is not None, "it is called at the end"
    client = connect()
    logged = find_run(client, experiment_id(client, "example"), record["run_key"])
    assert logged is not None
    assert logged.info.status == "FINISHED"
    assert "2 epochs instead of 100" in logged.data.params["deviations"]
    assert logged.data.params["recipe.epochs"] == "2"
    assert not any(key.startswith("recipe.paper") for key in logged.data.params)
    points = client.get_metric_history(logged.info.run_id, "val_score")
    assert [point.value for point in points] == history["val_score"].tolist()


def test_run_record_holds_nothing_of_mlflow_or_the_paper() -> None:
    fields = RunRecord.model_fields.keys()
    assert not [name for name in fields if "mlflow" in name or "deviations" in name]


def test_code_of_a_stage_is_what_dvc_lists(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(
        "stages: {train: {deps: [pipeline/train.py, src/a, data/pack, src/b.py]}}"
    )
    found = provenance.stage_code("train", tmp_path)
    assert found == [tmp_path / "src" / "a", tmp_path / "src" / "b.py"]
    real = provenance.stage_code("train")
    assert all(path.exists() for path in real)
    assert PROJECT / "src" / "ferbench" / "training" in real
