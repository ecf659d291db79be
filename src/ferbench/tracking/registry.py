"""The MLflow model registry: exported networks, model cards, and the alias `champion`.

A run's best network is logged as a program that needs none of our code (`servable`,
`log_model`), registered with a card (`register_version`), and becomes champion of its data set
(`crown`) until it is replaced or rolled back (`roll_back`).
"""

from __future__ import annotations

import copy
import html
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ferbench.artifacts.runs import RunRecord
from ferbench.errors import InputError
from ferbench.files import need_room
from ferbench.models.build import task_of
from ferbench.models.deploy import deployed
from ferbench.models.weights import Trained
from ferbench.tracking.runs import experiment_id, find_run
from ferbench.tracking.selection import SelectedRun
from ferbench.tracking.store import (
    connect,
    patient_uploads,
    shown,
    store_faults,
    store_lock,
    store_uri,
)

__all__ = [
    "CHAMPION",
    "Servable",
    "champion",
    "crown",
    "log_model",
    "logged_model",
    "model_card",
    "model_name",
    "register_version",
    "roll_back",
    "servable",
]

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_PREVIOUS = "previous_champion"
_MOVE = "champion_move"
# Size of an exported network besides its weights: graph and example.
_ARCHIVE_BYTES = 64 * 2**20
_USE = (
    "An expression is not an inner state: the model predicts the label that raters would give a "
    "face, not what a person feels. In the European Union the AI Act (Regulation 2024/1689, "
    "article 5) prohibits inferring emotions at work and in education. Use of the model is subject "
    "to the data set's licence."
)


def model_card(selected: SelectedRun, record: RunRecord, data: dict[str, Any]) -> str:
    """The card of a registered model, in Markdown.

    Args:
        selected: the run and its metrics.
        record: its `run.json`.
        data: its data set's report.
    """
    numbers = "\n".join(
        f"| {metric} | {value:.4f} | {selected.test.get(metric, float('nan')):.4f} |"
        for metric, value in sorted(selected.val.items())
    )
    text = {key: html.escape(str(data[key]), quote=False) for key in ("title", "licence", "faults")}
    return f"""# {record.variant} on {record.name}

One run: study `{record.study}`, protocol `{record.protocol}`, seed {record.seed}, epoch
{record.best_epoch + 1} of {record.epochs}, commit `{record.commit}`, {record.hardware["cpu"]},
{record.precision}. Selected on val; metrics on test were not used for selection.

| metric | val ({record.val_images} images) | test |
|---|---:|---:|
{numbers}

Input: {record.channels} x {record.input_px} x {record.input_px}, fractions in [0, 1].
Classes: {", ".join(record.classes)}.

Data: {text["title"]}. Licence: {text["licence"]} Known faults: {text["faults"]}

{_USE}
"""


class Servable(nn.Module):
    """A network as it is served: images in, probabilities or decoded boxes out.

    Shape:
        (N, C, S, S) float32 in [0, 1] -> classifiers (N, K) probabilities; detectors (N, 4 + K, A)
        with cx cy w h in pixels and a score a class
    """

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.classifies = task_of(trained.variant) == "classify"
        network: Any = deployed(trained.network)
        if not self.classifies:
            # Return decoded boxes only, with anchors computed for every batch size.
            head = network.model[-1]
            head.export, head.format, head.dynamic = True, "torchscript", True
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities, or decoded boxes."""
        out = self.network(image)
        if self.classifies:
            return torch.softmax(out, dim=1)
        return out[0] if isinstance(out, tuple) else out


def servable(trained: Trained) -> nn.Module:
    """The served form of a copy of `trained`."""
    return Servable(copy.deepcopy(trained)).eval()


def log_model(trained: Trained, run_id: str) -> Any:
    """Log a network with its signature as a model of a run in the active MLflow store.

    Args:
        trained: the network.
        run_id: of the run that trained it.

    Returns:
        MLflow's `ModelInfo`.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    module = servable(trained)
    # On a full disk PyTorch's exporter aborts the process instead of raising an exception.
    size = sum(value.nbytes for value in module.state_dict().values())
    need_room(Path(tempfile.gettempdir()), 2 * size + _ARCHIVE_BYTES)
    side, channels = trained.recipe.input_px, trained.recipe.channels
    example = np.zeros((2, channels, side, side), np.float32)
    with torch.no_grad():
        out = tuple(module(torch.from_numpy(example)).shape)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, channels, side, side))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, *out[1:]))]),
    )
    with warnings.catch_warnings(), patient_uploads(), mlflow.start_run(run_id=run_id):
        warnings.simplefilter("ignore")  # the exporter's notes on names and copies
        return mlflow.pytorch.log_model(
            module,
            name="model",
            signature=signature,
            input_example=example,
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
            metadata={"classes": list(trained.classes)},
        )


def model_name(dataset: str) -> str:
    """The registered model of a data set, whose champion all studies compete for."""
    return f"ferbench_{dataset}"


def logged_model(record: RunRecord, trained: Trained) -> str:
    """URI of a run's model, which is logged unless it already is.

    Args:
        record: the run's `run.json`.
        trained: its network.

    Raises:
        InputError: the store has no such run.
    """
    import mlflow

    mlflow.set_tracking_uri(store_uri())
    client = connect()
    experiment = experiment_id(client, record.study)
    found = find_run(client, experiment, record.run_key)
    if found is None:
        raise InputError(
            f"no run with key {record.run_key[:12]}",
            where=shown(store_uri()),
            remedy="run the stage `track`, which records every run",
        )
    run_id = found.info.run_id
    uri = _complete_model(client, experiment, run_id)
    if uri is None:
        with store_faults():
            uri = str(log_model(trained, run_id).model_uri)
    if found.data.tags.get("model_uri") != uri:
        client.set_tag(run_id, "model_uri", uri)
    return uri


def _complete_model(client: MlflowClient, experiment: str, run_id: str) -> str | None:
    """URI of the complete model of a run; incomplete ones of killed processes are deleted."""
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
    """The version of a registered model, which is created unless the run is registered already.

    Args:
        name: of the registered model.
        uri: of the logged model.
        key: of the run.
        card: Markdown; the version's description.
        tags: of the version.
    """
    client = connect()
    with store_lock():
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
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
            raise


def champion(name: str) -> Any | None:
    """The champion's model version, or None if there is no such model or no champion.

    Raises:
        StoreError: the store cannot be used.
    """
    from mlflow.exceptions import MlflowException

    try:
        return connect().get_model_version_by_alias(name, CHAMPION)
    except MlflowException:  # neither the model nor the alias need be there
        return None


def crown(name: str, version: str) -> None:
    """Give a version the alias `champion` and remember the previous champion."""
    client = connect()
    with store_lock():
        _complete(client, name)
        before = champion(name)
        if before is None:
            client.set_registered_model_alias(name, CHAMPION, version)
        elif str(before.version) != version:  # an int or a str, depending on the store
            _move(client, name, ("crown", str(before.version), version))


def roll_back(name: str) -> tuple[str, str]:
    """Give the alias back to the previous champion; the two swap, so twice changes nothing.

    Returns:
        The versions that lost and received the alias.

    Raises:
        InputError: there is no previous champion.
    """
    client = connect()
    with store_lock():
        done = _complete(client, name)
        if done is not None and done[0] == "roll_back":
            return done[1], done[2]
        now, before = champion(name), _tags(client, name).get(_PREVIOUS)
        if now is None or before is None:
            raise InputError(
                "no previous champion to roll back to",
                where=name,
                remedy="`ferbench promote` makes one",
            )
        _move(client, name, ("roll_back", str(now.version), before))
    return str(now.version), before


def _move(client: MlflowClient, name: str, move: tuple[str, str, str]) -> None:
    """Move the alias.

    The store makes one change at a time, so the intended move is recorded first; if this process is
    killed, the next one completes it.

    Args:
        client: of the store.
        name: of the registered model.
        move: the reason, `crown` or `roll_back`, and the versions that lose and receive the alias.
    """
    client.set_registered_model_tag(name, _MOVE, " ".join(move))
    client.set_registered_model_alias(name, CHAMPION, move[2])
    client.set_registered_model_tag(name, _PREVIOUS, move[1])
    client.delete_registered_model_tag(name, _MOVE)


def _complete(client: MlflowClient, name: str) -> tuple[str, str, str] | None:
    """Complete and return the move of a killed process; None if there is none."""
    words = _tags(client, name).get(_MOVE)
    if words is None:
        return None
    reason, lost, received = words.split()
    _move(client, name, (reason, lost, received))
    return reason, lost, received


def _tags(client: MlflowClient, name: str) -> dict[str, str]:
    """Tags of a registered model; none if there is no such model."""
    found = client.search_registered_models(f"name = '{name}'")
    return dict(found[0].tags) if found else {}
