"""The MLflow registry: models with cards, and the alias `champion` with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferbench.errors import InputError
from ferbench.serving.export import log_model
from ferbench.training.tracking import connect, experiment_id, find_run, store_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ferbench.models.weights import Trained

__all__ = [
    "CHAMPION",
    "champion",
    "crown",
    "logged_model",
    "model_name",
    "register_version",
    "roll_back",
]

CHAMPION = "champion"
_PREVIOUS = "previous_champion"


def model_name(dataset: str) -> str:
    """The registered model of a data set; all studies on it compete for one champion."""
    return f"ferbench_{dataset}"


def logged_model(study: str, run: dict[str, Any], trained: Trained) -> str:
    """URI of a run's model, which is logged if it is not there.

    Args:
        study: name of the experiment.
        run: the cell's `run.json`.
        trained: its network.
    """
    import mlflow

    mlflow.set_tracking_uri(store_uri())
    client = connect()
    found = find_run(client, experiment_id(client, study), run["run_key"])
    if found is None:
        raise InputError(
            f"no run of key {run['run_key'][:12]}",
            where=store_uri(),
            remedy="run stage `track`, which records every cell",
        )
    if uri := found.data.tags.get("model_uri"):
        return str(uri)
    info = log_model(trained, found.info.run_id)
    client.set_tag(found.info.run_id, "model_uri", info.model_uri)
    return str(info.model_uri)


def register_version(name: str, uri: str, key: str, card: str, tags: dict[str, Any]) -> str:
    """The version of a model; the same run is registered once.

    Args:
        name: of the registered model.
        uri: of the logged model.
        key: of the run.
        card: Markdown, becomes the version's description.
        tags: shown beside it.
    """
    client = connect()
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description="Facial-expression models by ferbench.")
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("run_key") == key:
            client.update_model_version(name, version.version, card)
            return str(version.version)
    words = {k: str(v) for k, v in tags.items()} | {"run_key": key}
    made = client.create_model_version(name, source=uri, tags=words, description=card)
    return str(made.version)


def champion(name: str) -> Any | None:
    """The champion's model version, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return connect().get_model_version_by_alias(name, CHAMPION)
    except MlflowException:  # neither the model nor the alias need be there
        return None


def crown(name: str, version: str) -> None:
    """Give a version the alias `champion`, and remember whose it was."""
    client, before = connect(), champion(name)
    if before is not None:
        if str(before.version) == version:  # MLflow says numbers or words, as the store does
            return
        client.set_registered_model_tag(name, _PREVIOUS, str(before.version))
    client.set_registered_model_alias(name, CHAMPION, version)


def roll_back(name: str) -> tuple[str, str]:
    """Give the alias back to the champion before; the two change places, so twice is as before.

    Returns:
        The versions that lost and got it.

    Raises:
        InputError: there was no champion before.
    """
    client, now = connect(), champion(name)
    before = _previous(client, name)
    if now is None or before is None:
        raise InputError(
            "no earlier champion to go back to", where=name, remedy="`ferbench promote` makes one"
        )
    client.set_registered_model_alias(name, CHAMPION, before)
    client.set_registered_model_tag(name, _PREVIOUS, str(now.version))
    return str(now.version), before


def _previous(client: MlflowClient, name: str) -> str | None:
    found = client.search_registered_models(f"name = '{name}'")
    return found[0].tags.get(_PREVIOUS) if found else None
