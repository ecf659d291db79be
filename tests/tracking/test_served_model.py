"""Registered models: pictures in, faces out, in a process without ferbench; logged once."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.run_records import run_record, run_setup
from tests.serving.models import lively
from tests.tiny_study import CLASSES

from ferbench.cli.stage import status_of
from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.models.weights import Trained
from ferbench.serving.model_folder import ModelRecord, describe_model
from ferbench.serving.predictor import Predictor
from ferbench.tracking.registry import (
    crown,
    fetch_model,
    log_model,
    logged_model,
    register_version,
)
from ferbench.tracking.runs import experiment_id, open_run
from ferbench.tracking.store import connect, store_uri

KEY = "k" * 64
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def described(model: Trained) -> ModelRecord:
    return describe_model(run_record(classes=list(CLASSES)), model, 0.05, {"accuracy": 0.5})


def log(model: Trained, key: str = KEY) -> str:
    return logged_model(run_record(run_key=key), model, described(model), "a card")


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, params: Params
) -> tuple[Any, Predictor, Path]:
    """A registered classifier, the predictor of its folder, and the folder of the store."""
    import mlflow

    root = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_store, root / "runs.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/runs.db")
        patch.chdir(root)
        patch.setattr(sys, "path", list(sys.path))  # MLflow adds the model's code to it
        open_run(run_setup(run_key=KEY)).finish()
        uri = log(lively(params, "ivsa"))
        crown("ferbench_tiny", register_version("ferbench_tiny", uri, KEY, "a card", {}))
        model = mlflow.pyfunc.load_model("models:/ferbench_tiny@champion")
        folder = fetch_model("models:/ferbench_tiny@champion")
        return model, Predictor.load(folder), root


def content() -> bytes:
    is_done, encoded = cv2.imencode(".png", PICTURE[:, :, ::-1])
    assert is_done
    return encoded.tobytes()


def test_registered_model_takes_paths_contents_and_arrays(
    loaded: tuple[Any, Predictor, Path], tmp_path: Path
) -> None:
    model, predictor, _ = loaded
    path = tmp_path / "photo.png"
    path.write_bytes(content())
    (expected,) = predictor.predict_crops([PICTURE])
    inputs: list[Any] = [
        *(str(path), [str(path)], content(), base64.b64encode(content()).decode()),
        *(PICTURE, [PICTURE], PICTURE[None], PICTURE.tolist() and [PICTURE.tolist()]),
        pd.DataFrame({"picture": [content()]}),
    ]
    for given in inputs:
        assert model.predict(given, params={"crop": True}) == [[expected[0].as_json()]]
    several = model.predict([content(), PICTURE[:20], str(path)], params={"crop": True})
    assert [len(faces) for faces in several] == [1, 1, 1]
    assert several[0] == several[2] != several[1]
    assert model.predict([]) == []


def test_without_crop_the_faces_are_searched(loaded: tuple[Any, Predictor, Path]) -> None:
    assert loaded[0].predict([np.full((64, 64, 3), 90, np.uint8)] * 2) == [[], []]


def test_signature_names_the_outputs_and_metadata_the_classes(
    loaded: tuple[Any, Predictor, Path],
) -> None:
    metadata = loaded[0].metadata
    text = str(metadata.signature.outputs)
    assert all(word in text for word in ("box", "emotion", "probabilities", "face_score"))
    assert metadata.metadata["classes"] == list(CLASSES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"no picture", "not an image of a known format"),
        ("absent.jpg", "no such file"),
        (np.zeros((4, 4, 3)), "bytes"),
    ],
)
def test_bad_picture_is_refused(
    loaded: tuple[Any, Predictor, Path], wrong: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        loaded[0].predict(wrong)


def test_server_reads_no_files_of_its_own(
    loaded: tuple[Any, Predictor, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Clients of `mlflow models serve` send text, which must not be taken for a path."""
    import mlflow

    (tmp_path / "photo.png").write_bytes(content())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{loaded[2]}/runs.db")
    mlflow.set_tracking_uri(store_uri())
    monkeypatch.setattr(sys, "path", list(sys.path))  # MLflow adds the model's code to it
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc.scoring_server.app", SimpleNamespace())
    served = mlflow.pyfunc.load_model("models:/ferbench_tiny@champion")
    with pytest.raises(InputError, match="is no picture in base64"):
        served.predict([str(tmp_path / "photo.png")])
    encoded = base64.b64encode(content()).decode()
    (faces,) = served.predict([encoded], params={"crop": True})
    assert len(faces) == 1


SCRIPT = """
import json, sys
import mlflow
model = mlflow.pyfunc.load_model("models:/ferbench_tiny@champion")
faces = model.predict("photo.png", params={"crop": True})
import ferbench
from importlib.metadata import packages_distributions
names = packages_distributions()
used = {d for m in {m.partition(".")[0] for m in sys.modules} for d in names.get(m, [])}
print(json.dumps({"faces": faces, "code": ferbench.__file__, "used": sorted(used)}))
"""


@pytest.mark.slow  # imports everything anew
def test_registered_model_loads_in_a_process_without_checkout(
    loaded: tuple[Any, Predictor, Path], tmp_path: Path
) -> None:
    _, predictor, root = loaded
    (tmp_path / "photo.png").write_bytes(content())
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "YOLO"))}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{root}/runs.db"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    (expected,) = predictor.predict_crops([PICTURE])
    (face,) = out["faces"][0]
    assert face["probabilities"] == pytest.approx(expected[0].probabilities, abs=1e-6)
    assert Path(out["code"]).is_relative_to(root)  # the code that travels with the model
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    (requirements,) = root.rglob("requirements.txt")
    known = {line.partition("==")[0] for line in requirements.read_text().splitlines()}
    direct = {"albumentations", "torch", "ultralytics", "safetensors", "pandas", "pydantic"}
    assert direct <= set(out["used"])
    assert direct | {"facenet-pytorch", "timm"} <= known


def test_model_that_is_not_there_is_refused(
    loaded: tuple[Any, Predictor, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{loaded[2]}/runs.db")
    for uri in ("models:/ferbench_other@champion", "models:/ferbench_tiny/7"):
        with pytest.raises(InputError, match="no such model"):
            fetch_model(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(InputError, match="no MLflow store"):
        fetch_model("models:/ferbench_tiny@champion")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("own_store")
def test_model_is_not_logged_on_a_nearly_full_disk(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = lively(params, "vgg_improved")
    run = open_run(run_setup())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))

    def act() -> None:
        log_model(model, described(model), "a card", run.run_id)

    assert status_of(act) == 2
    assert f"disk full while writing {tempfile.gettempdir()}" in capsys.readouterr().err


@pytest.mark.usefixtures("own_store")
def test_model_is_logged_and_registered_once_after_a_kill(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = lively(params, "vgg_improved")
    open_run(run_setup(run_key=KEY)).finish()

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:  # between the model and the tag that names it
        patch.setattr(MlflowClient, "set_tag", kill)
        with pytest.raises(Killed):
            log(model)
    uri = log(model)
    assert log(model) == uri
    client = connect()
    (found,) = client.search_logged_models([experiment_id(client, "demo")])
    assert found.model_uri == uri
    versions = {register_version("ferbench_tiny", uri, KEY, "a card", {}) for _ in range(2)}
    assert versions == {"1"}
