"""The record of one training in MLflow, as it goes; a store that fails stops no training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ferbench.errors import InputError
from ferbench.tracking.runs import MlflowRun, open_run

__all__ = ["Recorder"]

_LOG = logging.getLogger(__name__)


class Recorder:
    """Records a training's parameters and epochs in a run.

    A fault of the store is told once. Recording then rests until the training has ended, when it
    is tried once more; what is still missing then is added by the stage `track`, from the files
    of the training.

    Args:
        study: name of the experiment.
        name: of the run in the UI.
        key: digest of all that decides its result.
        tags: what the UI groups and filters by.
        params: of the training, which may be nested.
    """

    def __init__(
        self,
        study: str,
        name: str,
        key: str,
        tags: Mapping[str, Any],
        params: Mapping[str, Any],
    ) -> None:
        self._words, self._params = (study, name, key, tags), params
        self._run: MlflowRun | None = None
        self._told = self._rests = False
        self._attempt(self._open)

    @property
    def run_id(self) -> str | None:
        """Of the run; None if the store has not given one."""
        return None if self._run is None else self._run.run_id

    def epoch(self, row: Mapping[str, float]) -> None:
        """Add one row of the history, unless the store has failed before."""
        run = self._run
        if run is not None and not self._rests:
            self._attempt(lambda: run.log_epoch(row))

    def finish(
        self,
        history: Sequence[Mapping[str, float]],
        values: Mapping[str, float],
        tags: Mapping[str, Any],
        params: Mapping[str, Any],
    ) -> None:
        """Add what the run lacks of the history and finish it, opening it again if it failed.

        Args:
            history: one row an epoch.
            values: final numbers.
            tags: known at the end.
            params: known at the end.
        """
        if self._rests:
            self._rests = False
            self._attempt(self._open)

        def complete() -> None:
            run = self._opened()
            run.log_history(history)
            run.log_values(values)
            run.set_tags(tags)
            run.log_params(params)
            run.finish()

        self._attempt(complete)

    def _open(self) -> None:
        self._run = open_run(*self._words)
        self._run.log_params(self._params)

    def _opened(self) -> MlflowRun:
        assert self._run is not None, "what rests is not attempted"
        return self._run

    def _attempt(self, act: Callable[[], None]) -> None:
        if self._rests:
            return
        try:
            act()
        except Exception as error:  # days of training are worth more than their record
            self._rests = True
            told = error if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            if not self._told:
                _LOG.warning(
                    "warning: %s\n  training goes on; the stage `track` publishes its history "
                    "from runs/ when the store is back",
                    told,
                )
            self._told = True
