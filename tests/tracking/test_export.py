"""Exported models: same outputs as the network, checked inputs, logged once."""

from __future__ import annotations

import shutil
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from tests.run_records import run_record, run_setup
from tests.tiny_study import CLASSES

from ferbench.cli.stage import status_of
from ferbench.config.params import Params
from ferbench.models.build import build_network
from ferbench.models.weights import Trained
from ferbench.tracking.registry import log_model, logged_model, register_version, servable
from ferbench.tracking.runs import experiment_id, open_run
from ferbench.tracking.store import connect, store_uri


def trained(params: Params, variant: str) -> Trained:
    """An untrained network whose norms have seen something, so that folding them matters."""
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, len(CLASSES), seed=0)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return Trained(network.eval(), row, recipe, CLASSES)


def images(of: Trained, count: int) -> torch.Tensor:
    recipe, generator = of.recipe, torch.Generator().manual_seed(2)
    shape = (count, recipe.channels, recipe.input_px, recipe.input_px)
    return torch.rand(shape, generator=generator)


@pytest.mark.parametrize("variant", ["vgg_improved", "ivsa"])
def test_served_classifier_gives_the_networks_probabilities(params: Params, variant: str) -> None:
    model = trained(params, variant)
    with torch.no_grad():
        expected = torch.softmax(model.network(images(model, 3)), dim=1)
        served = servable(model)(images(model, 3))
    assert served.shape == (3, len(CLASSES))
    assert torch.allclose(served, expected, atol=1e-5)


@pytest.mark.parametrize("variant", ["yolov5s", "yolov5s_osam"])
def test_served_detector_gives_the_networks_decoded_boxes(params: Params, variant: str) -> None:
    model = trained(params, variant)
    with torch.no_grad():
        expected = model.network(images(model, 2))[0]
        served = servable(model)(images(model, 2))
    assert served.shape == (2, 4 + len(CLASSES), expected.shape[2])
    assert torch.allclose(served, expected, rtol=1e-4, atol=1e-3)


def test_serving_does_not_change_the_network(params: Params) -> None:
    model = trained(params, "yolov5s")
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    module = servable(model)
    assert not module.training
    after = model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert isinstance(model.network(images(model, 1)), tuple)


@pytest.mark.slow
@pytest.mark.usefixtures("own_store")
@pytest.mark.parametrize("variant", ["vgg_improved", "yolov5s"])
def test_logged_model_checks_its_input(params: Params, variant: str) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    model = trained(params, variant)
    run = open_run(run_setup())
    mlflow.set_tracking_uri(store_uri())
    loaded = mlflow.pyfunc.load_model(log_model(model, run.run_id).model_uri)
    image = images(model, 3)
    with torch.no_grad():
        expected = servable(model)(image).numpy()
    assert np.allclose(loaded.predict(image.numpy()), expected, rtol=1e-4, atol=1e-3)
    assert loaded.metadata.metadata["classes"] == list(CLASSES)
    for wrong in (image.numpy().astype(np.float64), image.numpy()[:, :, :-1]):
        with pytest.raises(MlflowException):
            loaded.predict(wrong)


@pytest.mark.usefixtures("own_store")
def test_export_is_refused_on_a_nearly_full_disk(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch's writer ends the process on a full disk, with no exception to catch."""
    model = trained(params, "vgg_improved")
    run = open_run(run_setup())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    assert status_of(lambda: log_model(model, run.run_id) and None) == 2
    assert f"disk full while writing {tempfile.gettempdir()}" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("own_store")
def test_model_is_logged_and_registered_once_after_a_kill(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, key = trained(params, "vgg_improved"), "k" * 64
    open_run(run_setup(run_key=key)).finish()

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:  # between the model and the tag that names it
        patch.setattr(MlflowClient, "set_tag", kill)
        with pytest.raises(Killed):
            logged_model(run_record(run_key=key), model)
    uri = logged_model(run_record(run_key=key), model)
    client = connect()
    (found,) = client.search_logged_models([experiment_id(client, "demo")])
    assert found.model_uri == uri
    versions = {register_version("ferbench_tiny", uri, key, "a card", {}) for _ in range(2)}
    assert versions == {"1"}


@pytest.mark.slow
@pytest.mark.usefixtures("own_store")
def test_model_of_a_run_is_logged_once(params: Params) -> None:
    model, key = trained(params, "vgg_improved"), "k" * 64
    open_run(run_setup(run_key=key)).finish()
    uri = logged_model(run_record(run_key=key), model)
    assert logged_model(run_record(run_key=key), model) == uri
