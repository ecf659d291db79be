"""Every row of the catalogue is built, answers, and has a loss that every weight can follow."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.tiny_study import PROJECT
from torch import Tensor

from ferbench.models.build import build_loss, build_network, task_of
from ferbench.models.deploy import deployed
from ferbench.params import load_params

STUDY = load_params(PROJECT / "studies" / "all_rows.yaml")
DETECTORS = [name for name, row in STUDY.variants.items() if task_of(row) == "detect"]
CLASSES = 7
# Their purpose is to have no say: released gates whose softmax over one channel is 1 everywhere.
WITHOUT_SAY = {name for name in STUDY.variants if "released" in name}


def batch_for(images: Tensor) -> dict[str, Tensor]:
    """One face in each picture, of sizes that fall on different levels of a detector."""
    n, side = len(images), torch.linspace(0.3, 1.0, len(images))
    return {
        "img": images,
        "batch_idx": torch.arange(n).float(),
        "cls": torch.arange(n).float()[:, None] % CLASSES,
        "bboxes": torch.stack((torch.full((n,), 0.5), torch.full((n,), 0.5), side, side), dim=1),
    }


@pytest.mark.parametrize("name", STUDY.variants)
def test_every_row_answers_and_learns(name: str) -> None:
    row, recipe = STUDY.variants[name], STUDY.recipe_of(name)
    network: Any = build_network(row, recipe, CLASSES, seed=0)
    torch.manual_seed(0)
    images = torch.rand(2, recipe.channels, recipe.input_px, recipe.input_px)
    with torch.no_grad():
        said = network.eval()(images)
    first = said[0] if isinstance(said, tuple) else said
    assert first.shape[:2] == (2, 4 + CLASSES if task_of(row) == "detect" else CLASSES)
    assert first.isfinite().all()
    served = deployed(network)
    with torch.no_grad():
        after = served(images)
    after = after[0] if isinstance(after, tuple) else after
    # Boxes are in pixels and scores below one: the same to a thousandth of a pixel.
    assert torch.allclose(first, after, atol=1e-3, rtol=1e-3)
    loss = build_loss(row, network, torch.full((CLASSES,), 5.0))
    out = network.train()(images)
    target = batch_for(images) if task_of(row) == "detect" else torch.tensor([1, 3])
    value = loss(out, target)
    assert value.isfinite()
    value.backward()
    learning = [p for p in network.parameters() if p.requires_grad]
    reached = [p for p in learning if p.grad is not None]
    assert all(p.grad.isfinite().all() for p in reached)  # type: ignore[union-attr]
    assert len(reached) == len(learning) or name in WITHOUT_SAY


@pytest.mark.slow
@pytest.mark.parametrize("px", [64, 128, 320, 640])
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_runs_at_the_papers_sizes(name: str, px: int) -> None:
    row, recipe = STUDY.variants[name], STUDY.recipe_of(name)
    network: Any = build_network(row, recipe, CLASSES, seed=0).eval()
    with torch.no_grad():
        decoded = network(torch.rand(1, recipe.channels, px, px))[0]
    cells = sum((px // int(stride)) ** 2 for stride in network.stride)
    assert decoded.shape == (1, 4 + CLASSES, cells)
    assert decoded.isfinite().all()
