"""The card that goes with a registered model."""

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

from ferbench.errors import InputError
from ferbench.files import need_room
from ferbench.models.build import task_of
from ferbench.models.deploy import deployed
from ferbench.models.weights import Trained
from ferbench.tracking.runs import connect, experiment_id, run_of, store_uri
from ferbench.tracking.selected import SelectedRun
from ferbench.tracking.store import one_at_a_time, patient_uploads, shown, store_faults

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

_USE = (
    "An expression is not an inner state: the model names what a face looks like to raters, not "
    "what a person feels. In the European Union the AI Act (Regulation 2024/1689, article 5) "
    "forbids inferring emotions at work and in education. The data set's licence binds whoever "
    "uses the model."
)


def model_card(standing: SelectedRun, run: dict[str, Any], data: dict[str, Any]) -> str:
    """Markdown.

    Args:
        standing: the cell and its numbers.
        run: its `run.json`.
        data: its data set's report.
    """
    numbers = "\n".join(
        f"| {metric} | {standing.val[metric]:.4f} | {standing.test.get(metric, float('nan')):.4f} |"
        for metric in sorted(standing.val)
    )
    text = {key: html.escape(str(data[key]), quote=False) for key in ("title", "licence", "faults")}
    return f"""# {run["variant"]} on {run["name"]}

One run: study `{run["study"]}`, protocol `{run["protocol"]}`, seed {run["seed"]}, epoch
{run["best_epoch"] + 1} of {run["epochs"]}, commit `{run["commit"]}`, {run["hardware"]["cpu"]},
{run["precision"]}. Selected on val; the numbers on test were not looked at for it.

| metric | val ({run["val_images"]} images) | test |
|---|---:|---:|
{numbers}

Input: {run["channels"]} x {run["input_px"]} x {run["input_px"]}, fractions in [0, 1].
Classes: {", ".join(run["classes"])}.

Data: {text["title"]}. Licence: {text["licence"]} Known faults: {text["faults"]}

{_USE}
"""


# MERGED from ferbench.tracking.registry:
# A trained network as a program that needs no code of ours, logged as an MLflow model.


# A network's graph and example, beside its weights.
_ARCHIVE_BYTES = 64 * 2**20


class Servable(nn.Module):
    """What is served: bytes or fractions in, probabilities or decoded boxes out.

    Shape:
        (N, C, S, S) float32 in [0, 1] -> classifiers (N, K) probabilities; detectors (N, 4 + K, A)
        with cx cy w h in pixels and a score a class
    """

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.classifies = task_of(trained.variant) == "classify"
        network: Any = deployed(trained.network)
        if not self.classifies:
            # Only the decoded boxes leave the head, and their anchors are made anew for any batch.
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
    """The deployed network of a copy of `trained`."""
    return Servable(copy.deepcopy(trained)).eval()


def log_model(trained: Trained, run_id: str) -> Any:
    """Log a network with its signature into the active MLflow store, as a model of a run.

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
    # On a full disk the exporter's writer ends the whole process.
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
        warnings.simplefilter("ignore")  # the exporter's own notes on names and copies
        return mlflow.pytorch.log_model(
            module,
            name="model",
            signature=signature,
            input_example=example,
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
            metadata={"classes": list(trained.classes)},
        )


# MERGED from ferbench.tracking.registry:
# The MLflow registry: models with cards, and the alias `champion` with its history.


if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ferbench.models.weights import Trained


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
