"""Narrow networks that see something, as model folders."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.run_records import run_record
from tests.tiny_study import CLASSES

from ferbench.config.params import Params
from ferbench.models.build import build_network, task_of
from ferbench.models.weights import Trained
from ferbench.serving.model_folder import ModelRecord, describe_model, write_folder

__all__ = ["THRESHOLD", "lively", "model_folder"]

THRESHOLD = 0.05


def lively(params: Params, variant: str) -> Trained:
    """An untrained network whose outputs depend on its input, with boxes that score enough."""
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, len(CLASSES), seed=0)
    generator = torch.Generator().manual_seed(1)
    _normalize(network, (8, recipe.channels, recipe.input_px, recipe.input_px), generator)
    if task_of(row) == "detect":
        head = network.model[-1]  # type: ignore[index]
        with torch.no_grad():
            for branch in head.cv3:
                branch[-1].weight.normal_(0, 0.3, generator=generator)
                branch[-1].bias.fill_(-2.0)
    return Trained(network.eval(), row, recipe, CLASSES)


def _normalize(network: torch.nn.Module, shape: tuple[int, ...], rng: torch.Generator) -> None:
    """Let every norm have the statistics of random pictures."""
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.rand(shape, generator=rng))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def model_folder(folder: Path, params: Params, variant: str) -> tuple[Trained, ModelRecord]:
    """Write the folder of a lively network."""
    trained = lively(params, variant)
    record = run_record(variant=variant, task=task_of(trained.variant), classes=list(CLASSES))
    described = describe_model(record, trained, THRESHOLD, {"accuracy": 0.5})
    return trained, write_folder(folder, trained, described, "# a card\n", {})
