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
    """An untrained network whose norms matter and whose boxes have scores worth keeping."""
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, len(CLASSES), seed=0)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    if task_of(row) == "detect":
        head = network.model[-1]  # type: ignore[index]
        with torch.no_grad():
            for branch in head.cv3:
                branch[-1].weight.normal_(0, 0.3, generator=generator)
                branch[-1].bias.fill_(-2.0)
    return Trained(network.eval(), row, recipe, CLASSES)


def model_folder(folder: Path, params: Params, variant: str) -> tuple[Trained, ModelRecord]:
    """Write the folder of a lively network."""
    trained = lively(params, variant)
    record = run_record(variant=variant, task=task_of(trained.variant), classes=list(CLASSES))
    described = describe_model(record, trained, THRESHOLD, {"accuracy": 0.5})
    return trained, write_folder(folder, trained, described, "# a card\n", {})
