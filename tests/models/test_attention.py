"""What the papers' attention blocks do, and what their printed form would do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench.models.attention.osam import OSAM
from ferbench.models.attention.sab import SAB


@pytest.mark.parametrize(("repeat", "parameters"), [(0, 20), (1, 42), (2, 64), (3, 86), (4, 108)])
def test_osam_has_22_parameters_a_repeat_and_20(repeat: int, parameters: int) -> None:
    assert sum(p.numel() for p in OSAM(64, repeat).parameters()) == parameters


def test_osam_weights_have_mean_one_over_positions() -> None:
    torch.manual_seed(0)
    gate = OSAM(16).train().gate(torch.randn(4, 16, 9, 7))
    assert gate.shape == (4, 1, 9, 7)
    assert torch.allclose(gate.mean(dim=(1, 2, 3)), torch.ones(4), atol=1e-5)


def test_osam_on_a_constant_map_is_the_identity() -> None:
    x = torch.ones(2, 8, 4, 4)
    # Padding makes borders differ, so the branches' convolutions are taken out.
    assert torch.equal(OSAM(8, repeat=0).eval().requires_grad_(False)(torch.zeros_like(x)), 0 * x)
    module = OSAM(8, repeat=0).eval()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(module(x), x)


def test_softmax_over_the_single_channel_would_be_an_exact_identity() -> None:
    """The finding on P0's released gate: softmax over an axis of one entry is 1 for every input."""
    score = torch.randn(3, 1, 5, 5, requires_grad=True)
    weight = score.softmax(dim=1)
    assert torch.equal(weight, torch.ones_like(weight))
    (weight * torch.randn(3, 8, 5, 5)).sum().backward()
    assert score.grad is not None
    assert torch.equal(score.grad, torch.zeros_like(score))


def test_sab_scale_is_gamma_with_mean_one() -> None:
    norm = nn.BatchNorm2d(4)
    norm.weight.data = torch.tensor([1.0, -1.0, 2.0, 4.0])
    block = SAB(4)
    block.follow(norm)
    assert torch.allclose(torch.as_tensor(block.channel_scale()), torch.tensor([0.5, 0.5, 1, 2]))


def test_sab_does_not_own_the_norm_that_it_follows() -> None:
    import copy

    stage = nn.Sequential(nn.BatchNorm2d(8), SAB(8))
    stage[1].follow(stage[0])
    assert sum(p.numel() for p in stage[1].parameters()) == sum(
        p.numel() for p in SAB(8).parameters()
    )
    twin = copy.deepcopy(stage)  # as the moving average does
    assert twin[1]._norm[0] is twin[0]


def test_sab_weights_channels_by_the_written_formula() -> None:
    """Against the equations computed by hand for one map."""
    torch.manual_seed(1)
    block = SAB(4).eval()
    x = torch.randn(1, 4, 3, 3)
    mlp = block.mlp
    length = x.square().sum(dim=(2, 3)).sqrt()
    total = mlp(x.mean(dim=(2, 3))) + mlp(x.amax(dim=(2, 3))) + mlp(length)
    weighed = x * torch.sigmoid(total)[:, :, None, None]
    maps = torch.cat((weighed.mean(1, keepdim=True), weighed.amax(1, keepdim=True)), dim=1)
    assert torch.allclose(block(x), weighed * block.spatial(maps), atol=1e-6)
