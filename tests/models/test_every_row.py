"""Every row of the catalogue predicts, deploys, and takes a step that reaches every weight.

The layers are those of the row, narrower where a step is taken: it does not depend on the width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.example_study import PROJECT
from tests.narrow_networks import narrow_networks
from torch import Tensor
from torch.nn.utils import get_total_norm

from ferbench.config.params import load_params
from ferbench.models.build import build_network, task_of
from ferbench.models.deploy import deployed
from ferbench.training.modules import ClassifierModule, DetectorModule, SelectionMetric
from ferbench.training.optimizers import build_optimizer

STUDY = load_params(PROJECT / "studies" / "all_rows.yaml")
DETECTORS = [name for name, row in STUDY.variants.items() if task_of(row) == "detect"]
CLASSES = 7
MODULES = {"classify": ClassifierModule, "detect": DetectorModule}
# Released attentions whose softmax over one channel is 1 everywhere: some weights learn nothing.
CONSTANT = {name for name in STUDY.variants if "released" in name}


@pytest.fixture
def narrow() -> Iterator[None]:
    with narrow_networks():
        yield


def equal_rows() -> list[list[str]]:
    """The names of all rows; those of equal networks, losses and recipes stand together."""
    groups: dict[str, list[str]] = {}
    for name, row in STUDY.variants.items():
        parts = dataclasses.replace(row, paper="control", recipe="", weights="none")
        key = repr((parts, STUDY.recipe_of(name).settings()))
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def rows_to_try() -> Iterator[Any]:
    """Groups of equal rows; all but the first of each combination of parts are `thorough`."""
    seen: set[tuple[str, ...]] = set()
    for names in equal_rows():
        row = STUDY.variants[names[0]]
        parts = (row.backbone, row.attention, row.head, row.loss)
        yield pytest.param(names, marks=[pytest.mark.thorough] if parts in seen else [])
        seen.add(parts)


def batch_for(images: Tensor) -> dict[str, Tensor]:
    """One face in each picture, of sizes that fall on different levels of a detector."""
    n, side = len(images), torch.linspace(0.3, 1.0, len(images))
    return {
        "img": images,
        "batch_idx": torch.arange(n).float(),
        "cls": torch.arange(n).float()[:, None] % CLASSES,
        "bboxes": torch.stack((torch.full((n,), 0.5), torch.full((n,), 0.5), side, side), dim=1),
    }


def predicted(network: Any, images: Tensor) -> Tensor:
    """What a network predicts: logits, or decoded boxes."""
    with torch.no_grad():
        out = network(images)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("names", list(rows_to_try()), ids="=".join)
def test_every_row_predicts_deploys_and_takes_a_training_step(names: list[str]) -> None:
    name = names[0]
    row, recipe = STUDY.variants[name], STUDY.recipe_of(name)
    task = task_of(row)
    module = MODULES[task](
        row, recipe, torch.full((CLASSES,), 5.0), 0, SelectionMetric("accuracy", 0.5)
    )
    network: Any = module.network.eval()
    torch.manual_seed(0)
    size = (2, recipe.channels, recipe.input_px, recipe.input_px)
    picture = torch.randint(256, size, dtype=torch.uint8)
    images = module.pixels(picture)

    first = predicted(network, images)
    assert first.shape[:2] == (2, 4 + CLASSES if task == "detect" else CLASSES)
    assert first.isfinite().all()
    # Boxes are in pixels and scores below one: the same to a thousandth of a pixel.
    assert torch.allclose(first, predicted(deployed(network), images), atol=1e-3, rtol=1e-3)

    module.train()
    target = torch.tensor([1, 3])
    loss, _ = module.batch_loss(
        batch_for(picture) if task == "detect" else (picture, target, target)
    )
    assert loss.isfinite()
    loss.backward()
    learning = [p for p in network.parameters() if p.requires_grad]
    reached = [p.grad for p in learning if p.grad is not None]
    assert get_total_norm(reached).isfinite()
    assert len(reached) == len(learning) or name in CONSTANT
    build_optimizer(network, recipe).step()
    assert get_total_norm(learning).isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("px", [64, 128, 320, 640])
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_runs_at_the_papers_sizes(name: str, px: int) -> None:
    row, recipe = STUDY.variants[name], STUDY.recipe_of(name)
    network: Any = build_network(row, recipe, CLASSES, seed=0).eval()
    with torch.no_grad():
        decoded = network(torch.rand(1, recipe.channels, px, px))[0]
    places = sum((px // int(stride)) ** 2 for stride in network.stride)
    assert decoded.shape == (1, 4 + CLASSES, places)
    assert decoded.isfinite().all()
