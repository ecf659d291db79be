"""Curves of a training in MLflow while it runs."""

from __future__ import annotations

from ferbench.artifacts.runs import RunRecord, RunSetup
from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.tracking.runs import MlflowRun, open_run, run_params

__all__ = ["Recorder"]


class Recorder:
    """Records a training's parameters and epochs in its MLflow run.

    It is the observer (`ferbench.training.run.TrainingObserver`) that `pipeline/train.py` attaches
    to a training, which warns once if the store fails and continues. What is missing then is added
    at the end of training, or else by the stage `track` from the run's files.

    Args:
        run: which is trained.
        params: the active study.
    """

    def __init__(self, run: Run, params: Params) -> None:
        self._run, self._params = run, params
        self._record: MlflowRun | None = None

    def on_start(self, setup: RunSetup) -> None:
        """Open the MLflow run and log its parameters."""
        self._record = self._open(setup)

    def on_epoch(self, row: dict[str, float]) -> None:
        """Add one row of the history."""
        if self._record is not None:
            self._record.log_epoch(row)

    def on_end(self, record: RunRecord, history: list[dict[str, float]]) -> None:
        """Add what the store has missed and close the run.

        The run is opened again, because the store may have failed or been replaced since.
        """
        mlflow_run = self._open(record)
        mlflow_run.complete(record, history)
        mlflow_run.finish()

    def _open(self, setup: RunSetup) -> MlflowRun:
        opened = open_run(setup)
        opened.log_params(run_params(self._run.variant, self._params))
        return opened
