"""What every part of a folder keeps, run on every file of that folder, present and future."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.narrow_networks import narrow_networks
from torch import nn

from ferbench.config.params import Recipe, Variant
from ferbench.models.blocks import ConvUnit
from ferbench.models.build import build_loss, build_network, cam_layers, task_of
from ferbench.plugins import load, names

ATTENTION = names("ferbench.models.attention")
BACKBONES = names("ferbench.models.backbones")
RECIPE = Recipe(
    input_px=64,
    resize_px=64,
    channels=3,
    normalize="none",
    augment="light",
    scale_gain=0.0,
    mosaic=0.0,
    plain_epochs=0,
    mixup_alpha=0.0,
    crops=1,
    batch_size=4,
    nominal_batch=0,
    head_epochs=0,
    head_lr=0.0,
    epochs=1,
    patience=1,
    optimizer="sgd",
    lr=0.01,
    momentum=0.9,
    nesterov=False,
    weight_decay=0.0,
    schedule="constant",
    lr_final=1.0,
    warmup_epochs=0,
    warmup_bias_lr=0.0,
    warmup_momentum=0.0,
    plateau_factor=0.5,
    plateau_patience=1,
    ema_decay=0.0,
    ema_steps=1,
    clip_norm=0.0,
    bn_momentum=0.1,
    precision="32-true",
    paper={},
)


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """What is the same at any width is tested at a small one."""
    with narrow_networks():
        yield


@functools.cache
def smallest(backbone: str) -> int:
    """Side of the smallest image that a backbone takes, where it declares one."""
    return int(getattr(plain_body(backbone), "min_px", 1))


@functools.cache
def is_graph(backbone: str) -> bool:
    """Whether a backbone gives a graph of layers, which a detector is built of."""
    return not isinstance(plain_body(backbone), nn.Module)


def recipe_for(backbone: str) -> Recipe:
    return dataclasses.replace(RECIPE, input_px=max(RECIPE.input_px, smallest(backbone)))


def part(column: str, name: str) -> Any:
    return load(f"ferbench.models.{column}", name)


def row(backbone: str, attention: str = "none", location: str = "none") -> Variant:
    """A whole row on a backbone, with a head and a loss that fit it."""
    head, loss = ("detect", "yolo") if is_graph(backbone) else ("pooled", "cross_entropy")
    places = ("native", attention, location, head, loss, "r")
    return Variant("control", backbone, *places, options={}, weights="none")


def plain_body(backbone: str) -> Any:
    body = part("backbones", backbone)
    return body(part("attention", "none"), "none", ConvUnit(None), 3)


def locations(backbone: str) -> list[str]:
    """The places of a backbone, as its own error message lists them."""
    from ferbench.errors import InputError

    with pytest.raises(InputError, match="known:") as error:
        part("backbones", backbone)(part("attention", "none"), "nowhere", ConvUnit(None), 3)
    return error.value.remedy.rsplit("known: ", 1)[1].split(", ")


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_attention_keeps_shape_and_dtype_and_is_finite(name: str, size: int) -> None:
    module = part("attention", name)(32)
    x = torch.randn(3, 32, size, size, generator=torch.Generator().manual_seed(0))
    out = module.train()(x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert out.isfinite().all()


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_passes_gradient_to_input_and_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    module = part("attention", name)(32).train()
    x = torch.randn(4, 32, 6, 6, requires_grad=True)
    (module(x) * torch.randn(4, 32, 6, 6)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    silent = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_in_evaluation_is_deterministic(name: str) -> None:
    module = part("attention", name)(16).eval()
    x = torch.randn(2, 16, 5, 5)
    assert torch.equal(module(x), module(x))


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_location_builds_and_runs_at_two_sizes(backbone: str) -> None:
    for location in locations(backbone):
        runs_at_two_sizes(row(backbone, "cbam", location))


@pytest.mark.parametrize("backbone", ["vgg_improved", "yolov5s"])
@pytest.mark.parametrize("attention", ATTENTION)
def test_every_attention_fits_a_classifier_and_a_detector(attention: str, backbone: str) -> None:
    runs_at_two_sizes(row(backbone, attention, locations(backbone)[-1]))


def runs_at_two_sizes(variant: Variant) -> None:
    network = build_network(variant, recipe_for(variant.backbone), 7, seed=0).eval()
    for px in (32, 96):
        out = _first(network(torch.rand(2, 3, *[max(px, smallest(variant.backbone))] * 2)))
        assert out.shape[0] == 2
        assert out.isfinite().all()


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", BACKBONES)
def test_attention_none_equals_the_plain_network_at_every_location(backbone: str) -> None:
    plain = build_network(row(backbone), recipe_for(backbone), 7, seed=0).eval()
    x = torch.rand(1, 3, *[max(64, smallest(backbone))] * 2)
    for location in locations(backbone):
        variant = row(backbone, "none", location)
        other = build_network(variant, recipe_for(backbone), 7, seed=0).eval()
        assert _first(other(x)).equal(_first(plain(x))), location


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", BACKBONES)
def test_declared_grad_cam_layers_are_all_that_the_score_sees(backbone: str) -> None:
    network: Any = build_network(row(backbone), recipe_for(backbone), 7, seed=0).eval()
    x = torch.rand(1, 3, *[max(96, smallest(backbone))] * 2)
    layers = cam_layers(network, x)
    assert layers, "declare cam_layers() in the backbone's body"
    for layer in layers:
        layer.register_forward_hook(lambda module, inputs, output: output.detach())
    assert not torch.autograd.grad(_first(network(x.requires_grad_())).sum() + 0 * x.sum(), x)[
        0
    ].any()


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", BACKBONES)
def test_same_seed_gives_the_same_weights_and_keeps_torchs_generator(backbone: str) -> None:
    variant, recipe = row(backbone), recipe_for(backbone)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_network(variant, recipe, 7, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    second = build_network(variant, recipe, 7, seed=3).state_dict()
    other = build_network(variant, recipe, 7, seed=4).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize("name", names("ferbench.models.losses"))
def test_classification_losses_fall_with_the_right_logit_and_stay_finite(name: str) -> None:
    if part("losses", name).TASK != "classify":
        pytest.skip("a detector's loss is tested on a detector")
    loss = part("losses", name)(None, None)
    target = torch.tensor([0, 1, 2])
    right = torch.eye(3)
    values = [float(loss(right * k, target)) for k in (0.0, 1.0, 5.0, 50.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] >= 0
    assert torch.isfinite(loss(-50 * right, target))


@pytest.mark.parametrize("name", names("ferbench.models.losses"))
def test_detection_losses_are_finite_with_and_without_faces(name: str) -> None:
    if part("losses", name).TASK != "detect":
        pytest.skip("a classifier's loss is tested on logits")
    variant = dataclasses.replace(row("yolov5s"), loss=name)
    network = build_network(variant, RECIPE, 7, seed=0).train()
    loss: Any = build_loss(variant, network)
    image = torch.rand(2, 3, 64, 64)
    full = {
        "img": image,
        "batch_idx": torch.tensor([0.0, 1.0]),
        "cls": torch.tensor([[1.0], [2.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.3, 0.3, 0.2, 0.2]]),
    }
    empty = {"img": image} | {k: v[:0] for k, v in full.items() if k != "img"}
    values = [loss(network(image), batch) for batch in (full, empty)]
    assert all(torch.isfinite(v) and v >= 0 for v in values)
    assert values[0] > values[1]


@pytest.mark.parametrize("name", names("ferbench.models.heads"))
def test_heads_declare_their_task(name: str) -> None:
    assert part("heads", name).TASK in {"classify", "detect"}


def test_head_and_loss_of_two_tasks_are_refused() -> None:
    from ferbench.errors import InputError

    with pytest.raises(InputError, match="made to classify"):
        task_of(dataclasses.replace(row("vgg_improved"), loss="yolo"))


def _first(out: Any) -> torch.Tensor:
    return out[0] if isinstance(out, tuple) else out
