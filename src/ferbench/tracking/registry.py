"""The MLflow model registry: logged models, and the alias `champion`.

A run's best network is logged as a model that takes pictures (`log_model`), registered with a card
(`register_version`), and becomes champion of its data set (`crown`) until it is replaced or rolled
back (`roll_back`).
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ferbench
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.runs import RunRecord
from ferbench.errors import InputError
from ferbench.files import need_room, read_json
from ferbench.models.weights import Trained, load_trained
from ferbench.serving.card import model_card
from ferbench.serving.model_folder import ModelRecord, describe_model, write_folder
from ferbench.tracking.runs import experiment_id, find_run
from ferbench.tracking.selection import SelectedRun
from ferbench.tracking.store import (
    connect,
    patient_uploads,
    shown,
    sqlite_file,
    store_faults,
    store_lock,
    store_uri,
)

__all__ = [
    "CHAMPION",
    "DECISION_FILE",
    "DECISION_TAG",
    "LoggedModel",
    "champion",
    "crown",
    "fetch_model",
    "log_model",
    "log_selected",
    "logged_model",
    "model_name",
    "record_decision",
    "register_version",
    "roll_back",
]

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_PREVIOUS = "previous_champion"
_MOVE = "champion_move"
# Tags of a version.
DECISION_TAG, _REASON = "promotion", "promotion_reason"
DECISION_FILE = "promotion.json"  # of the run
_LONGEST_TAG = 5000  # characters
# Size of a logged model besides its weights.
_ARCHIVE_BYTES = 64 * 2**20
# Packages and modules that the predictor is made of; they travel with a registered model.
_CARRIED = ("artifacts", "config", "data", "detection", "models", "serving", "tracking/__init__.py")
_NOT_CARRIED = shutil.ignore_patterns("__pycache__", "export.py", "onnx_export.py", "service")
# What they import, in the installed versions.
_REQUIREMENTS = (
    *("albumentations", "facenet-pytorch", "mlflow", "numpy", "onnxruntime"),
    *("opencv-python-headless", "pandas", "pillow", "psutil", "pyarrow", "pydantic", "pyyaml"),
    *("safetensors", "scipy", "timm", "torch", "torchvision", "tqdm", "ultralytics"),
)
# A face detector that has no package for other machines.
_YUNET, _WHERE = "yuface", "platform_machine in 'x86_64 AMD64' and sys_platform != 'darwin'"
# Name of a logged model; `model` was the bare network of earlier versions.
_LOGGED = "faces"


def log_model(trained: Trained, description: ModelRecord, card: str, run_id: str) -> Any:
    """Log a network as a model of a run in the active MLflow store.

    The model is a `pyfunc` that takes pictures (see `ferbench.tracking.served_model`). It carries
    the model folder and our code, and loads where ferbench is not installed.

    Args:
        trained: the network.
        description: of the model, without digests.
        card: Markdown.
        run_id: of the run that trained it.

    Returns:
        MLflow's `ModelInfo`.
    """
    import mlflow

    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        size = sum(value.nbytes for value in trained.network.state_dict().values())
        need_room(place, 2 * size + _ARCHIVE_BYTES)
        write_folder(place / "model", trained, description, card, {})
        stack.enter_context(patient_uploads())
        stack.enter_context(mlflow.start_run(run_id=run_id))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # MLflow's notes on type hints
        return mlflow.pyfunc.log_model(
            name=_LOGGED,
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"model": str(place / "model")},
            code_paths=[str(_carried_code(place / "code"))],
            signature=_signature(),
            pip_requirements=_requirements(),
            metadata={"classes": list(trained.classes), "digest": description.own_digest()},
        )


def _requirements() -> list[str]:
    """What a registered model needs, in the installed versions."""
    needed = [f"{name}=={metadata.version(name)}" for name in _REQUIREMENTS]
    if find_spec(_YUNET):
        needed.append(f"{_YUNET}=={metadata.version(_YUNET)}; {_WHERE}")
    return needed


def _carried_code(place: Path) -> Path:
    """A copy of the part of this package that a predictor needs."""
    package = Path(ferbench.__file__).parent
    target = place / package.name
    target.mkdir(parents=True)
    for path in package.glob("*.py"):
        shutil.copy(path, target)
    for name in _CARRIED:
        source = package / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_NOT_CARRIED)
        else:
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copy(source, target / name)
    # The installed model is another one.
    shutil.rmtree(target / "serving" / "models", ignore_errors=True)
    return target


def _signature() -> Any:
    """Any picture in, faces out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, Array, Map, Object, Property

    face = Object(
        [
            Property("box", Array("double")),
            Property("emotion", "string"),
            Property("probabilities", Map("double")),
            Property("face_score", "double"),
        ]
    )
    signature = ModelSignature(
        inputs=Schema([ColSpec(AnyType())]),
        outputs=Schema([ColSpec(Array(face))]),
        params=ParamSchema(
            [ParamSpec("crop", "boolean", False), ParamSpec("score_threshold", "double", -1.0)]
        ),
    )
    # MLflow checks inputs as a data frame, which arrays of different sizes are not, unless the
    # model's own code is responsible for them.
    signature._is_signature_from_type_hint = True
    return signature


def fetch_model(uri: str) -> Path:
    """The model folder of a registered model, which is downloaded if the store is remote.

    Args:
        uri: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises:
        InputError: there is no such model, or it is not one of ours.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    file = sqlite_file(store_uri())
    if file is not None and not file.is_file():
        raise InputError(
            "no MLflow store, so no registered model",
            where=shown(store_uri()),
            remedy="run it in the project's folder, or set MLFLOW_TRACKING_URI",
        )
    connect()
    mlflow.set_tracking_uri(store_uri())
    with store_faults():
        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        except MlflowException as error:
            raise InputError(
                f"no such model ({error.message})",
                where=uri,
                remedy="`make ui` lists the registered models; `ferbench promote` makes a champion",
            ) from error
    found = sorted(folder.rglob("model.json"))
    if len(found) != 1:
        raise InputError(
            "is not a model that this version of ferbench registered",
            where=uri,
            remedy="register it again: `dvc repro --force --single-item register`",
        )
    return found[0].parent


def model_name(dataset: str) -> str:
    """The registered model of a data set, whose champion all studies compete for."""
    return f"ferbench_{dataset}"


@dataclass(frozen=True)
class LoggedModel:
    """The model of a selected run in the store.

    Args:
        uri: of the model.
        record: the run's `run.json`.
        card: Markdown.
    """

    uri: str
    record: RunRecord
    card: str


def log_selected(selected: SelectedRun, score_threshold: float) -> LoggedModel:
    """Log the model of a selected run, unless it is logged already.

    Args:
        selected: the run and its metrics.
        score_threshold: least score of a detector's box that is shown as a face.

    Raises:
        InputError: the store has no such run.
    """
    run = selected.run
    record = RunRecord.read(run.folder / "run.json")
    trained = load_trained(run.folder / "model.pt")
    card = model_card(
        record, selected.val, selected.test, read_json(DatasetPaths(run.dataset).report)
    )
    description = describe_model(record, trained, score_threshold, selected.val)
    return LoggedModel(logged_model(record, trained, description, card), record, card)


def logged_model(record: RunRecord, trained: Trained, description: ModelRecord, card: str) -> str:
    """URI of a run's model, which is logged unless it already is.

    Args:
        record: the run's `run.json`.
        trained: its network.
        description: of the model, without digests.
        card: Markdown.

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
            uri = str(log_model(trained, description, card, run_id).model_uri)
    if found.data.tags.get("model_uri") != uri:
        client.set_tag(run_id, "model_uri", uri)
    return uri


def _complete_model(client: MlflowClient, experiment: str, run_id: str) -> str | None:
    """URI of the complete model of a run; incomplete ones of killed processes are deleted."""
    models = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    whole = None
    for model in models:  # the newest first
        files = client.list_logged_model_artifacts(model.model_id)
        is_ready = str(model.status) == "READY"
        if whole is None and is_ready and model.name == _LOGGED and files:
            whole = str(model.model_uri)
        elif not is_ready:
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


def record_decision(name: str, version: str, outcome: dict[str, Any]) -> None:
    """Write what the promotion gates decided into the registry, for who sees the store alone.

    The version has the tags `promotion` (`promoted`, `refused` or `rolled back`) and
    `promotion_reason` (of the gates that failed); the run that trained it has all gates as the file
    `promotion.json`.

    Args:
        name: of the registered model.
        version: of it.
        outcome: `promoted`, and `gates` with their names, outcomes and reasons.
    """
    client = connect()
    failed = [f"{row['gate']}: {row['reason']}" for row in outcome["gates"] if not row["passed"]]
    tags = {
        DECISION_TAG: "promoted" if outcome["promoted"] else "refused",
        _REASON: "; ".join(failed) or "all gates passed",
    }
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value[:_LONGEST_TAG])
    run_id = client.get_model_version(name, version).run_id
    if run_id:
        with patient_uploads():
            client.log_dict(run_id, outcome, DECISION_FILE)


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
        reason = f"version {before} is champion again"
        client.set_model_version_tag(name, str(now.version), DECISION_TAG, "rolled back")
        client.set_model_version_tag(name, str(now.version), _REASON, reason)
        client.set_model_version_tag(name, before, DECISION_TAG, "promoted")
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
