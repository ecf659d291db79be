from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ferbench.models.folded_norm import FoldedNorm, unfold_norms


def folded_network() -> nn.Sequential:
    """Two layers whose norms hold scale and shift alone, as a published file gives them."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), FoldedNorm(4), nn.ReLU(), nn.Conv2d(4, 6, 3), FoldedNorm(6), nn.ReLU()
    )
    for norm in norms_of(network):
        nn.init.uniform_(norm.weight, -2, 9)
        nn.init.uniform_(norm.bias, -1, 1)
        norm.folded.fill_(1)
    return network


def norms_of(network: nn.Module) -> list[Any]:
    return [m for m in network.modules() if isinstance(m, FoldedNorm)]


def images(seed: int = 1) -> Tensor:
    return torch.rand(16, 1, 12, 12, generator=torch.Generator().manual_seed(seed))


def test_the_function_of_the_network_stays() -> None:
    network, other = folded_network().eval(), images(2)
    with torch.no_grad():
        before = network(other)
        assert unfold_norms(network, images()) == 2
        assert torch.allclose(network(other), before, rtol=1e-4, atol=1e-4)


def test_training_starts_from_the_published_function() -> None:
    network = folded_network()
    with torch.no_grad():
        published = network.eval()(images())
        assert not torch.allclose(network.train()(images()), published, atol=0.1)
    network = folded_network()
    unfold_norms(network, images())
    with torch.no_grad():
        assert torch.allclose(network.train()(images()), published, rtol=1e-3, atol=1e-3)


def test_running_statistics_are_those_of_the_images() -> None:
    network = folded_network()
    unfold_norms(network, images())
    first, norm = network[0], norms_of(network)[0]
    with torch.no_grad():
        maps = first(images())
    assert torch.allclose(norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, maps.var(dim=(0, 2, 3), correction=0), atol=1e-5)


def test_norms_are_unfolded_once_and_the_mode_stays() -> None:
    network = folded_network().train()
    unfold_norms(network, images())
    state = {name: value.clone() for name, value in network.state_dict().items()}
    assert unfold_norms(network, images(3)) == 0
    assert network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_without_published_weights_it_is_a_batch_norm() -> None:
    ours, theirs = FoldedNorm(3), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    assert unfold_norms(ours, x) == 0
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_mean, theirs.running_mean)
