"""The MLflow registry: models with cards, and the alias `champion` with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferbench.errors import InputError
from ferbench.serving.export import log_model
from ferbench.training.store import one_at_a_time, shown, store_faults
from ferbench.training.tracking import connect, experiment_id, run_of, store_uri

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
_MOVE = "champion_move"


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
    experiment = experiment_id(client, study)
    found = run_of(client, experiment, run)
    if found is None:
        raise InputError(
            f"no run of key {run['run_key'][:12]}",
            where=shown(store_uri()),
            remedy="run stage `track`, which records every cell",
        )
    run_id = found.info.run_id
    uri = _whole_model(client, experiment, run_id)
    if uri is None:
        with store_faults():
            uri = str(log_model(trained, run_id).model_uri)
    if found.data.tags.get("model_uri") != uri:
        client.set_tag(run_id, "model_uri", uri)
    return uri


def _whole_model(client: MlflowClient, experiment: str, run_id: str) -> str | None:
    """URI of the model that a run has logged whole; what a killed process left is deleted."""
    models = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    whole = None
    for model in models:  # the newest first
        files = client.list_logged_model_artifacts(model.model_id)
        if whole is None and str(model.status) == "READY" and files:
            whole = str(model.model_uri)
        elif str(model.status) != "READY":
            client.delete_logged_model(model.model_id)
    return whole


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
    with one_at_a_time():
        _make_model(client, name)
        for version in client.search_model_versions(f"name = '{name}'"):
            if version.tags.get("run_key") == key and version.source == uri:
                client.update_model_version(name, version.version, card)
                return str(version.version)
        words = {k: str(v) for k, v in tags.items()} | {"run_key": key}
        made = client.create_model_version(name, source=uri, tags=words, description=card)
    return str(made.version)


def _make_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    if client.search_registered_models(f"name = '{name}'"):
        return
    try:
        client.create_registered_model(name, description="Facial-expression models by ferbench.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was quicker
            raise


def champion(name: str) -> Any | None:
    """The champion's model version, or None if there is no such model or no champion.

    Raises:
        StoreError: the store cannot say.
    """
    from mlflow.exceptions import MlflowException

    try:
        return connect().get_model_version_by_alias(name, CHAMPION)
    except MlflowException:  # neither the model nor the alias need be there
        return None


def crown(name: str, version: str) -> None:
    """Give a version the alias `champion`, and remember whose it was."""
    client = connect()
    with one_at_a_time():
        _complete(client, name)
        before = champion(name)
        if before is None:
            client.set_registered_model_alias(name, CHAMPION, version)
        elif str(before.version) != version:  # MLflow says numbers or words, as the store does
            _move(client, name, ("crown", str(before.version), version))


def roll_back(name: str) -> tuple[str, str]:
    """Give the alias back to the champion before; the two change places, so twice is as before.

    Returns:
        The versions that lost and got it.

    Raises:
        InputError: there was no champion before.
    """
    client = connect()
    with one_at_a_time():
        done = _complete(client, name)
        if done is not None and done[0] == "roll_back":
            return done[1], done[2]
        now, before = champion(name), _tags(client, name).get(_PREVIOUS)
        if now is None or before is None:
            raise InputError(
                "no earlier champion to go back to",
                where=name,
                remedy="`ferbench promote` makes one",
            )
        _move(client, name, ("roll_back", str(now.version), before))
    return str(now.version), before


def _move(client: MlflowClient, name: str, move: tuple[str, str, str]) -> None:
    """Move the alias: from the second word's version to the third's, for the first word's reason.

    The store takes one change at a time, so what is intended is written first: whoever comes after
    a killed process completes it.
    """
    client.set_registered_model_tag(name, _MOVE, " ".join(move))
    client.set_registered_model_alias(name, CHAMPION, move[2])
    client.set_registered_model_tag(name, _PREVIOUS, move[1])
    client.delete_registered_model_tag(name, _MOVE)


def _complete(client: MlflowClient, name: str) -> tuple[str, str, str] | None:
    """Complete the move that a killed process has begun, and return it; None if there is none."""
    words = _tags(client, name).get(_MOVE)
    if words is None:
        return None
    kind, lost, got = words.split()
    _move(client, name, (kind, lost, got))
    return kind, lost, got


def _tags(client: MlflowClient, name: str) -> dict[str, str]:
    """Tags of a registered model; none if there is no such model."""
    found = client.search_registered_models(f"name = '{name}'")
    return dict(found[0].tags) if found else {}
