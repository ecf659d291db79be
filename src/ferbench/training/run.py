"""Train one run and write its artifacts.

A `TrainingObserver` may follow the training, for example to draw its curves in MLflow while it
runs. Training depends on no observer: results are the same with one, without one, and with one that
fails.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.seed import isolate_rng

from ferbench.artifacts.runs import RunRecord, RunSetup, write_history
from ferbench.config.params import Params, Precision
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.environment import CACHE
from ferbench.errors import InputError
from ferbench.files import digest, read_json
from ferbench.locks import held
from ferbench.models.weights import save_trained
from ferbench.training.arithmetic import arithmetic_of
from ferbench.training.fit import Fitted, TrainingData, devices_of, fit, placement
from ferbench.training.modules import SelectionMetric
from ferbench.training.provenance import code_digest, commit, hardware, stage_code, versions

__all__ = ["TrainingObserver", "run_key", "train_run"]

_LOG = logging.getLogger(__name__)
# A training outlives a killed DVC for a while; a new one waits for it this long.
_WAIT_S = 60.0


class TrainingObserver(Protocol):
    """Follows a training.

    Arguments are copies. An exception is logged once as a warning; `on_epoch` is not called again
    after it, `on_end` is.
    """

    def on_start(self, setup: RunSetup) -> None:
        """Called before the first epoch."""

    def on_epoch(self, row: dict[str, float]) -> None:
        """Called with the row of `history.csv` of each epoch that this process trains."""

    def on_end(self, record: RunRecord, history: list[dict[str, float]]) -> None:
        """Called with `run.json` and all rows of `history.csv` after these are written."""


class _Observed:
    """Calls an observer so that it can neither stop nor alter the training.

    Args:
        make: builds the observer; None for no observer.
    """

    def __init__(self, make: Callable[[], TrainingObserver] | None) -> None:
        self._failed = False
        self._observer = None if make is None else self._attempt(make)

    def start(self, setup: RunSetup) -> None:
        self._call("on_start", setup.model_copy(deep=True))

    def epoch(self, row: Mapping[str, float]) -> None:
        if not self._failed:
            self._call("on_epoch", dict(row))

    def end(self, record: RunRecord, history: Sequence[Mapping[str, float]]) -> None:
        self._call("on_end", record.model_copy(deep=True), [dict(row) for row in history])

    def _call(self, event: str, *arguments: Any) -> None:
        if self._observer is not None:
            self._attempt(lambda: getattr(self._observer, event)(*arguments))

    def _attempt(self, act: Callable[[], Any]) -> Any:
        with isolate_rng():  # restores no state after an exception, so none may leave the block
            try:
                return act()
            except Exception as error:
                if not self._failed:
                    known = isinstance(error, InputError)
                    _LOG.warning(
                        "warning: %s\n  training continues without live curves; "
                        "the stage `track` publishes the whole run from its files",
                        error if known else f"{type(error).__name__}: {error}",
                    )
                self._failed = True
        return None


def run_key(run: Run, description: dict[str, Any], data: PackedDataset, params: Params) -> str:
    """Digest of all that decides a run's result on one kind of machine.

    The code of its variant is part of the description; all other code that trains is listed in
    `dvc.yaml` as dependencies of the stage `train`.
    """
    return digest(
        {
            "run": asdict(run),
            "description": description,
            "data": data.digest,
            "devices": devices_of(*placement(params.train)),
            "precision": _precision(run, params),
            "select": [params.train.select[description["task"]], params.score.score_threshold],
            "code": code_digest(stage_code("train")),
        }
    )


def train_run(
    run: Run, params: Params, observer: Callable[[], TrainingObserver] | None = None
) -> None:
    """Train a run and write `model.pt`, `history.csv` and `run.json` into its folder.

    Checkpoints are kept in the cache under the run's key and deleted at the end. An interrupted
    training with the same key resumes from its last epoch.

    Args:
        run: which.
        params: the active study.
        observer: builds what follows the training; called once, on the first process only.
    """
    description = read_json(Path("reports", run.study, "variants", f"{run.variant}.json"))
    dataset = open_dataset(run.dataset, run.seed)
    variant = params.variants[run.variant]
    recipe = replace(params.recipe_of(run.variant), precision=_precision(run, params))
    setup = _setup(run, params, dataset, description)
    key = setup.run_key[:32]
    checkpoints, lock = CACHE / "checkpoints" / key, CACHE / "locks" / f"train-{key}"
    first = rank_zero_only.rank == 0  # of several processes on one run, one locks and writes
    with held(lock, f"run {run.name}", wait_s=_WAIT_S) if first else nullcontext():
        observed = _Observed(observer if first else None)
        observed.start(setup)
        metric = SelectionMetric(setup.select, params.score.score_threshold)
        data = TrainingData(dataset.pack, dataset.faces("train"), dataset.faces("val"), metric)
        fitted = fit((variant, recipe, run.seed), data, params.train, checkpoints, observed.epoch)
        if not first:
            return
        save_trained(run.folder / "model.pt", fitted.state, variant, recipe, dataset.classes)
        write_history(run.folder / "history.csv", fitted.history)
        record = _record(setup, fitted, data)
        record.write(run.folder / "run.json")
        observed.end(record, fitted.history)
        shutil.rmtree(checkpoints, ignore_errors=True)


def _precision(run: Run, params: Params) -> Precision:
    """The recipe's precision; what `auto` means on this machine."""
    recipe, (accelerator, _) = params.recipe_of(run.variant), placement(params.train)
    return arithmetic_of(recipe.precision, accelerator, params.train.threads).precision


def _setup(run: Run, params: Params, data: PackedDataset, description: dict[str, Any]) -> RunSetup:
    return RunSetup(
        study=run.study,
        variant=run.variant,
        dataset=run.dataset,
        name=params.datasets[run.dataset].name,
        protocol=data.protocol,
        seed=run.seed,
        task=description["task"],
        paper=description["paper"],
        classes=list(data.classes),
        run_key=run_key(run, description, data, params),
        data_digest=data.digest,
        select=params.train.select[description["task"]],
        input_px=description["input_px"],
        channels=description["recipe"]["channels"],
        hardware=hardware(),
        versions=versions(),
        commit=commit(),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _record(setup: RunSetup, fitted: Fitted, data: TrainingData) -> RunRecord:
    return RunRecord(
        **setup.model_dump(),
        best_epoch=fitted.best_epoch,
        epochs=len(fitted.history),
        val_score=fitted.val_score,
        val_loss=fitted.val_loss,
        train_seconds=fitted.seconds,
        train_images=data.train.frame["image_id"].nunique(),
        val_images=data.val.frame["image_id"].nunique(),
        parameters=fitted.parameters,
        precision=fitted.precision,
        augmented=fitted.augmented,
        memory_format=fitted.memory_format,
        devices=fitted.devices,
        resumed=fitted.resumed,
        initial_weights=fitted.initial,
    )
