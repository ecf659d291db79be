"""What the promotion gates decided about a registered model, read from the registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from ferbench.files import read_json
from ferbench.tracking.registry import DECISION_FILE, DECISION_TAG
from ferbench.tracking.store import connect, store_faults, store_uri

__all__ = ["promotion_of"]

_PREFIX = "models:/"


def promotion_of(uri: str) -> dict[str, Any] | None:
    """The decision about a registered model, which `ferbench promote` has written.

    Args:
        uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Returns:
        model, version, promoted, and gates, each with gate, passed and reason; None if the gates
        have not been run on this version.

    Raises:
        StoreError: the store cannot be used.
    """
    client = connect()
    name, _, alias = uri.removeprefix(_PREFIX).partition("@")
    with store_faults():
        try:
            if alias:
                version = client.get_model_version_by_alias(name, alias)
            else:
                version = client.get_model_version(*name.rsplit("/", 1))
        except MlflowException:
            return None
        if DECISION_TAG not in version.tags:
            return None
        outcome = _gates(version.run_id)
    mine = {"model": version.name, "version": str(version.version)}
    if outcome is None or {key: str(outcome.get(key)) for key in mine} != mine:
        # The run's file is about another version; the tags are this one's.
        outcome = {"gates": []}
    return {**mine, "promoted": version.tags[DECISION_TAG] == "promoted", "gates": outcome["gates"]}


def _gates(run_id: str | None) -> dict[str, Any] | None:
    """The file that holds all gates, if the run has it."""
    if not run_id:
        return None
    mlflow.set_tracking_uri(store_uri())
    with tempfile.TemporaryDirectory() as place:
        try:
            path = mlflow.artifacts.download_artifacts(
                run_id=run_id, artifact_path=DECISION_FILE, dst_path=place
            )
        except (MlflowException, OSError):
            return None
        outcome: dict[str, Any] = read_json(Path(path))
        return outcome
