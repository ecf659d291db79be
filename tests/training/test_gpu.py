"""Training and evaluation on a GPU. The reference is the same network on the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ferbench.config.params import Params, Train
from ferbench.data.dataset import PackedDataset
from ferbench.evaluation.predict import predict_split
from ferbench.models.build import build_network, logits_of
from ferbench.models.weights import Trained
from ferbench.training.cuda_graphs import GraphedClassifier
from ferbench.training.fit import Fitted, TrainingData, fit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
VARIANTS = ["ivsa", "yolov5s_osam"]


def train(
    params: Params, stored: PackedDataset, folder: Path, variant: str, **changes: object
) -> Fitted:
    recipe = dataclasses.replace(params.recipe_of(variant), **changes)
    data = TrainingData(stored.pack, stored.faces("train"), stored.faces("val"))
    settings = Train(**{**dataclasses.asdict(params.train), "accelerator": "gpu"})
    return fit((params.variants[variant], recipe, 5), data, settings, folder, None)


def trained(params: Params, fitted: Fitted, variant: str) -> Trained:
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, 3, seed=0)
    network.load_state_dict(fitted.state)
    return Trained(network.eval(), row, recipe, ("neutral", "happiness", "surprise"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_run_on_a_gpu_predicts_the_same_on_a_cpu(
    params: Params, stored: PackedDataset, tmp_path: Path, variant: str
) -> None:
    fitted = train(params, stored, tmp_path, variant, epochs=3)
    assert fitted.devices == "1 cuda"
    assert all(value.device.type == "cpu" for value in fitted.state.values())
    assert len(fitted.history) == 3
    assert all(np.isfinite(list(row.values())).all() for row in fitted.history)
    network = trained(params, fitted, variant)
    tables = [predict_split(network, stored, "test", device) for device in ("cuda", "cpu")]
    gpu, cpu = (table.predictions[list(network.classes)].to_numpy() for table in tables)
    # Convolutions in TF32 have 10 bits of mantissa.
    np.testing.assert_allclose(gpu, cpu, atol=0.02)


# The scaler finds its scale by steps that overflow and are skipped, the first one too.
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.parametrize("variant", VARIANTS)
def test_mixed_precision_on_a_gpu_trains_with_finite_losses(
    params: Params, stored: PackedDataset, tmp_path: Path, variant: str
) -> None:
    fitted = train(
        params, stored, tmp_path, variant, epochs=3, precision="16-mixed", clip_norm=10.0
    )
    assert fitted.precision == "16-mixed"
    assert all(np.isfinite(row["train_loss"]) for row in fitted.history)


@pytest.mark.parametrize("variant", VARIANTS)
def test_number_of_loader_processes_does_not_change_the_batches(
    params: Params,
    stored: PackedDataset,
    tmp_path: Path,
    variant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = []
    for workers in ("0", "2"):
        monkeypatch.setenv("FERBENCH_LOADER_WORKERS", workers)
        fitted = train(params, stored, tmp_path / workers, variant, epochs=2)
        losses.append([row["train_loss"] for row in fitted.history])
    # Two runs on one GPU differ by the order in which it adds.
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)


def test_graphs_compute_what_the_network_computes(params: Params) -> None:
    recipe = dataclasses.replace(params.recipe_of("ivsa"), crops=1)
    network = build_network(params.variants["ivsa"], recipe, 3, seed=0).cuda().train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    shape = (8, recipe.channels, recipe.input_px, recipe.input_px)
    images = torch.rand(shape, device="cuda", generator=torch.Generator("cuda").manual_seed(1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.cuda.get_rng_state()
    graphed = GraphedClassifier(network, images)
    assert torch.equal(state, torch.cuda.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())

    def pass_of(logits: Callable[[torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
        network.load_state_dict(before)
        network.zero_grad()
        output = logits(images)
        output.square().sum().backward()
        grads = [p.grad.clone() for p in network.parameters() if p.grad is not None]
        return [output.detach(), *grads, *(b.clone() for b in network.buffers())]

    for ours, eager in zip(pass_of(graphed), pass_of(partial(logits_of, network)), strict=True):
        torch.testing.assert_close(ours, eager, rtol=0.02, atol=0.02)
    assert graphed(images[:3]).shape == (3, 3)  # the last batch of an epoch


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_with_graphs_and_without_has_the_same_losses(
    params: Params,
    stored: PackedDataset,
    tmp_path: Path,
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = []
    for wanted in ("0", "1"):
        monkeypatch.setenv("FERBENCH_CUDA_GRAPHS", wanted)
        changes = {"epochs": 3, "precision": precision, "mixup_alpha": 0.2, "ema_decay": 0.9}
        fitted = train(params, stored, tmp_path / wanted, "ivsa", **changes)
        losses.append([row["train_loss"] for row in fitted.history])
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)
