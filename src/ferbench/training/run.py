"""A cell from its files to its files: key, training, weights, history, record."""

from __future__ import annotations

import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only

import ferbench
from ferbench.config.deviations import deviations
from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.environment import CACHE
from ferbench.files import digest, read_json, whole_file, write_json
from ferbench.locks import held
from ferbench.models.weights import save_trained
from ferbench.tracking.live import Recorder
from ferbench.tracking.runs import run_tags
from ferbench.training.fit import devices_of, fit, placement
from ferbench.training.outcome import Fitted, SelectionMetric, TrainingData
from ferbench.training.provenance import code_digest, commit, hardware, versions

__all__ = ["run_key", "train_cell"]

_PACKAGE = Path(ferbench.__file__).parent
# All code that trains a run, but for that of its row, whose digest is in the description. The train
# stage of dvc.yaml lists the same.
_MODULES = {
    "": ("detection", "emotions.py", "training"),
    "artifacts": ("datasets.py", "pack.py", "predictions.py", "results.py"),
    "config": ("deviations.py",),
    "data": ("dataset.py", "draws.py", "loaders.py", "transforms.py"),
    "evaluation": ("predict.py", "scoring.py", "selection.py"),
}
_CODE = tuple(_PACKAGE / folder / name for folder, names in _MODULES.items() for name in names)
# Longer than a stage whose DVC was killed takes to end.
_WAIT_S = 60.0


def run_key(cell: Run, description: dict[str, Any], data: PackedDataset, params: Params) -> str:
    """Digest of all that decides a cell's result, on one kind of machine."""
    return digest(
        {
            "cell": asdict(cell),
            "description": description,
            "data": data.digest,
            "devices": devices_of(*placement(params.train)),
            "select": [params.train.select[description["task"]], params.score.score_threshold],
            "code": code_digest(*_CODE),
        }
    )


def train_cell(cell: Run, params: Params) -> None:
    """Train a cell and write `model.pt`, `history.csv` and `run.json` into its folder.

    Checkpoints for resuming are kept outside it, under the run's key, and deleted at the end.
    """
    description = read_json(Path("reports", cell.study, "variants", f"{cell.variant}.json"))
    data = open_dataset(cell.dataset, cell.seed)
    key = run_key(cell, description, data, params)
    variant, recipe = params.variants[cell.variant], params.recipe_of(cell.variant)
    about = _about(cell, params, data, description, key)
    about["deviations"] = list(deviations(variant, recipe))
    checkpoints = CACHE / "checkpoints" / key[:32]
    first = rank_zero_only.rank == 0  # of several processes on one cell, one locks and writes
    with _locked(cell, key) if first else nullcontext():
        recorder = None
        if first:
            name = f"{cell.variant}-{cell.dataset}-s{cell.seed}"
            logged = {k: description[k] for k in ("row", "recipe")}
            logged["deviations"] = "; ".join(about["deviations"]) or "none"
            recorder = Recorder(cell.study, name, key, run_tags(about), logged)
        rule = SelectionMetric(
            params.train.select[description["task"]], params.score.score_threshold
        )
        sides = TrainingData(data.pack, data.faces("train"), data.faces("val"), rule)
        follow = recorder.epoch if recorder else None
        fitted = fit((variant, recipe, cell.seed), sides, params.train, checkpoints, follow)
        if recorder is None:
            return
        save_trained(cell.folder / "model.pt", fitted.state, variant, recipe, data.classes)
        with whole_file(cell.folder / "history.csv") as temporary:
            pd.DataFrame(fitted.history).astype({"epoch": int}).to_csv(temporary, index=False)
        write_json(cell.folder / "run.json", about | _outcome(fitted, sides, recorder))
        _close(recorder, fitted)
        shutil.rmtree(checkpoints, ignore_errors=True)


def _locked(cell: Run, key: str) -> AbstractContextManager[None]:
    """Keep other processes from the run's checkpoints.

    Where DVC was killed, its training is still alive for a while.
    """
    return held(CACHE / "locks" / f"train-{key[:32]}", f"run {cell.name}", wait_s=_WAIT_S)


def _about(
    cell: Run, params: Params, data: PackedDataset, description: dict[str, Any], key: str
) -> dict[str, Any]:
    return {
        "study": cell.study,
        "variant": cell.variant,
        "dataset": cell.dataset,
        "name": params.datasets[cell.dataset].name,
        "protocol": data.protocol,
        "seed": cell.seed,
        "task": description["task"],
        "paper": description["paper"],
        "classes": list(data.classes),
        "run_key": key,
        "data_digest": data.digest,
        "select": params.train.select[description["task"]],
        "input_px": description["input_px"],
        "channels": description["recipe"]["channels"],
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _outcome(fitted: Fitted, sides: TrainingData, recorder: Recorder) -> dict[str, Any]:
    return {
        "mlflow_run_id": recorder.run_id,
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "val_score": fitted.val_score,
        "val_loss": fitted.val_loss,
        "train_seconds": fitted.seconds,
        "train_images": len(set(sides.train.frame["image_id"])),
        "val_images": len(set(sides.val.frame["image_id"])),
        "parameters": fitted.parameters,
        "precision": fitted.precision,
        "devices": fitted.devices,
        "resumed": fitted.resumed,
        "initial_weights": fitted.initial,
    }


def _close(recorder: Recorder, fitted: Fitted) -> None:
    recorder.finish(
        fitted.history,
        {"best_val_score": fitted.val_score, "train_seconds": fitted.seconds},
        {"best_epoch": fitted.best_epoch, "resumed": fitted.resumed},
        {"initial_weights": fitted.initial},
    )
