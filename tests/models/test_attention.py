"""What the papers' attention blocks do, and what their printed and released forms would do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.attention.cbam import CAM, CBAM, CBAMO, OSAM, SAM, position_weights
from ferbench.models.attention.sab import SAB
from ferbench.models.backbones.vgg import vgg_improved
from ferbench.models.blocks import ConvUnit
from ferbench.models.deploy import deployed
from ferbench.plugins import load, names

ATTENTION = names("ferbench.models.attention")
OWN = [SAM, CAM, CBAM, CBAMO, OSAM, SAB]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seeded(kind: Any, *args: Any, **options: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(*args, **options)


def gradients(module: nn.Module, x: Tensor) -> dict[str, Tensor | None]:
    """Of every parameter, for a random weight on every output."""
    (module(x) * noise(*x.shape, seed=1)).sum().backward()
    return {name: p.grad for name, p in module.named_parameters()}


# How many parameters


@pytest.mark.parametrize(("repeat", "parameters"), [(0, 20), (1, 42), (2, 64), (3, 86), (4, 108)])
def test_osam_has_22_parameters_a_repeat_and_20(repeat: int, parameters: int) -> None:
    assert count(OSAM(64, repeat)) == parameters
    assert count(OSAM(64, repeat, form="released")) == parameters


@pytest.mark.parametrize(
    ("options", "parameters"), [({}, 100), ({"bn": False}, 98), ({"kernel": 3}, 20)]
)
def test_sam_has_its_kernel_and_two_for_the_norm(options: Any, parameters: int) -> None:
    assert count(SAM(64, **options)) == parameters


@pytest.mark.parametrize(
    ("channels", "parameters"), [(64, 580), (128, 2184), (256, 8464), (512, 33312)]
)
def test_channel_attention_has_the_parameters_of_its_perceptron(
    channels: int, parameters: int
) -> None:
    assert count(CAM(channels)) == parameters
    assert count(CBAM(channels)) == parameters + 100
    assert count(CBAMO(channels)) == parameters + 86
    assert count(CBAMO(channels, repeat=1)) == parameters + 42


def test_light_cbam_on_2048_channels_has_524386_parameters() -> None:
    light = CBAM(2048, bias=False, bn=False)
    assert count(light.channel) == 2 * 2048 * 128
    assert count(light.spatial) == 98
    assert count(light) == 524_386


def test_improved_vgg_has_44940_more_parameters_with_cbam_or_sab() -> None:
    def body(attention: Any, location: str = "stage_end") -> int:
        return count(vgg_improved(attention, location, ConvUnit(None), 1))

    plain = body(load("ferbench.models.attention", "none"), "none")
    assert body(CBAM) - plain == 44_940
    assert body(SAB) - plain == 44_940
    assert body(lambda channels: SAB(channels, kernel=3)) - plain == 44_940 - 4 * 80
    # One map instead of two comes to the convolution.
    assert body(lambda channels: SAB(channels, spatial="sum")) - plain == 44_940 - 4 * 49


@pytest.mark.parametrize("name", ["cam", "cbam", "cbamo", "sab"])
def test_fewer_channels_than_the_reduction_leave_one_hidden_channel(name: str) -> None:
    module = load("ferbench.models.attention", name)(8)
    hidden = [m.out_features for m in module.modules() if isinstance(m, nn.Linear)]
    assert hidden == [1, 8]
    assert module(noise(2, 8, 3, 3)).isfinite().all()


# The released gate: softmax over an axis of one entry


def test_softmax_over_the_single_channel_is_an_exact_identity() -> None:
    """The finding on P0's released gate: softmax over an axis of one entry is 1 for every input."""
    score = torch.randn(3, 1, 5, 5, requires_grad=True)
    weight = score.softmax(dim=1)
    assert torch.equal(weight, torch.ones_like(weight))
    (weight * torch.randn(3, 8, 5, 5)).sum().backward()
    assert score.grad is not None
    assert torch.equal(score.grad, torch.zeros_like(score))


RELEASED = [
    pytest.param(SAM, {"kernel": 3}, id="sam"),
    *(pytest.param(OSAM, {"repeat": n}, id=f"osam-{n}") for n in range(1, 5)),
    pytest.param(OSAM, {"repeat": 4, "form": "released"}, id="osam-4-released"),
]


@pytest.mark.parametrize(("kind", "options"), RELEASED)
@pytest.mark.parametrize("training", [True, False])
def test_the_gate_over_channels_is_an_identity_and_learns_nothing(
    kind: Any, options: Any, training: bool
) -> None:
    module = seeded(kind, 16, norm="channel", **options).train(training)
    x = noise(4, 16, 6, 5)
    assert torch.equal(module(x), x)
    found = gradients(module, x)
    assert found
    assert [n for n, g in found.items() if g is not None and torch.count_nonzero(g)] == []
    # The same module under another norm does learn, so the test can fail.
    twin = seeded(kind, 16, norm="sigmoid", **options).train(training)
    assert any(g is not None and g.any() for g in gradients(twin, x).values())


def test_cbam_with_the_released_gate_is_its_channel_part() -> None:
    x = noise(2, 32, 4, 4)
    for kind in (CBAM, CBAMO):
        module = seeded(kind, 32, norm="channel")
        assert torch.equal(module(x), module.channel(x))


def test_the_released_fourth_unit_is_never_reached() -> None:
    x = noise(4, 8, 6, 6)
    released = seeded(OSAM, 8, 4, form="released")
    assert torch.equal(released(x), seeded(OSAM, 8, 3)(x))
    assert not torch.allclose(released(x), seeded(OSAM, 8, 4)(x))
    silent = [n for n, g in gradients(released, x).items() if g is None]
    assert sum(released.get_parameter(n).numel() for n in silent) == 22
    assert all(n.startswith("unreached") for n in silent)


def test_up_to_three_units_the_released_form_changes_nothing() -> None:
    x = noise(4, 8, 6, 6)
    for repeat in range(4):
        released, corrected = (
            seeded(OSAM, 8, repeat, form=form) for form in ("released", "corrected")
        )
        assert torch.equal(released(x), corrected(x))


# The corrected gate: softmax over positions with mean 1


def test_osam_weights_have_mean_one_over_positions() -> None:
    torch.manual_seed(0)
    gate = OSAM(16).train().weights(torch.randn(4, 16, 9, 7))
    assert gate.shape == (4, 1, 9, 7)
    assert torch.allclose(gate.mean(dim=(1, 2, 3)), torch.ones(4), atol=1e-5)


@pytest.mark.parametrize("spread", [1.0, 50.0])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (9, 7), (80, 80)])
def test_spatial_weights_are_the_softmax_over_positions(
    size: tuple[int, int], spread: float
) -> None:
    """Against torch's softmax in double precision, at scores that overflow without care."""
    score = noise(3, 1, *size) * spread + 200.0
    places = size[0] * size[1]
    softmax = score.double().flatten(1).softmax(dim=1).view_as(score)
    scaled, raw = (position_weights(score, norm) for norm in ("spatial", "spatial_raw"))
    assert torch.allclose(scaled.double(), softmax * places, rtol=1e-4, atol=1e-6)
    assert torch.allclose(raw.double(), softmax, rtol=1e-4, atol=1e-6)
    assert torch.allclose(scaled.mean(dim=(1, 2, 3)), torch.ones(3), atol=1e-5)


def test_spatial_weights_have_the_gradient_of_the_softmax() -> None:
    """The largest score is subtracted without a gradient, which must change nothing."""
    score = noise(2, 1, 3, 4).double().requires_grad_()
    weight = noise(2, 1, 3, 4, seed=1).double()
    direct = score.flatten(1).softmax(dim=1).view_as(score) * 12
    (expected,) = torch.autograd.grad((direct * weight).sum(), score)
    (found,) = torch.autograd.grad((position_weights(score, "spatial") * weight).sum(), score)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 41, 49])
def test_equal_scores_give_weights_of_exactly_one(size: int) -> None:
    """41 and 49 are sides whose reciprocal times the number is not 1 in floating point."""
    for value in (-3.0, 0.0, 0.1, 88.0):
        score = torch.full((2, 1, 1, size), value)
        assert torch.equal(position_weights(score, "spatial"), torch.ones_like(score))


def test_osam_on_a_constant_map_is_the_identity() -> None:
    x = torch.ones(2, 8, 4, 4)
    # Padding makes borders differ, so the branches' convolutions are taken out.
    assert torch.equal(OSAM(8, repeat=0).eval().requires_grad_(False)(torch.zeros_like(x)), 0 * x)
    module = OSAM(8, repeat=0).eval()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(module(x), x)


@pytest.mark.parametrize("repeat", range(5))
def test_osam_on_a_single_position_is_the_identity(repeat: int) -> None:
    x = noise(4, 8, 1, 1)
    module = seeded(OSAM, 8, repeat)
    assert torch.equal(module.train()(x), x)
    assert torch.equal(module.eval()(x), x)


@pytest.mark.parametrize("repeat", range(5))
@pytest.mark.parametrize("norm", ["spatial", "spatial_raw", "sigmoid"])
def test_osam_uses_so_many_units_a_branch_and_all_of_them_learn(norm: str, repeat: int) -> None:
    module = seeded(OSAM, 16, repeat, norm).train()
    assert len(module.maximum) == len(module.mean) == repeat
    for norm_layer in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        # Without a bias, the next norm undoes the scale of this one, whose gradient would be zero.
        nn.init.uniform_(norm_layer.bias, 0.5, 1.0)
    found = gradients(module, noise(4, 16, 8, 8))
    convolutions = [n for n, m in module.named_modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 2 * repeat + 1
    for name in convolutions:
        gradient = found[f"{name}.weight"]
        assert gradient is not None
        assert gradient.abs().sum() > 0, name
    assert [n for n, g in found.items() if g is None or not g.any()] == []


def test_each_branch_reads_its_own_pooling() -> None:
    """Against the equations, written out for two units."""
    module = seeded(OSAM, 8, 2).eval()
    x = noise(2, 8, 5, 6)
    maximum = module.maximum[1](module.maximum[0](x.max(dim=1, keepdim=True).values))
    mean = module.mean[1](module.mean[0](x.sum(dim=1, keepdim=True) / 8))
    score = module.fuse(torch.cat((maximum, mean), dim=1))
    weight = score.flatten(1).softmax(dim=1).view(2, 1, 5, 6) * 30
    assert torch.allclose(module(x), weight * x, atol=1e-5)


@pytest.mark.parametrize("px", [2, 8, 40])
def test_unscaled_softmax_weights_shrink_a_map_to_nothing(px: int) -> None:
    """The finding on equation 7: its map is the smaller the more positions there are."""
    x = noise(8, 16, px, px)
    scaled = seeded(OSAM, 16, norm="spatial").train()(x)
    literal = seeded(OSAM, 16, norm="spatial_raw").train()(x)
    assert 0.9 < scaled.std() / x.std() < 1.2
    assert literal.std() / x.std() < 1.2 / px**2
    assert torch.allclose(literal * px**2, scaled, rtol=1e-4, atol=1e-6)


def test_gamma_starts_at_gamma_init() -> None:
    x = noise(4, 16, 40, 40)
    gentle, spiky = (seeded(OSAM, 16, gamma_init=g).train().weights(x) for g in (0.1, 1.0))
    assert gentle.min() > 0.5
    assert gentle.max() < 2
    assert spiky.max() > 5
    assert torch.equal(seeded(OSAM, 16, gamma_init=0.0).train()(x), x)


# The residual that the text speaks of


def test_the_residual_adds_the_map_or_takes_the_mean() -> None:
    x = noise(3, 8, 4, 4)
    none, add, mean = (
        seeded(OSAM, 8, residual=residual)(x) for residual in ("none", "add", "mean")
    )
    assert torch.allclose(add, x + none, atol=1e-6)
    assert torch.allclose(mean, (x + none) / 2, atol=1e-6)


def test_a_residual_on_the_unscaled_softmax_is_nearly_the_identity() -> None:
    x = noise(3, 8, 32, 32)
    out = seeded(OSAM, 8, norm="spatial_raw", residual="add")(x)
    assert not torch.equal(out, x)
    assert ((out - x).abs() / x.abs()).max() < 0.01


def test_cbamo_passes_its_options_to_its_parts() -> None:
    module = seeded(
        CBAMO, 8, 4, False, repeat=1, norm="sigmoid", residual="mean", gamma_init=0.5
    ).eval()
    x = noise(2, 8, 4, 4)
    weighed = module.channel(x)
    weight = module.spatial.fuse(
        torch.cat(
            (
                module.spatial.maximum(weighed.amax(1, True)),
                module.spatial.mean(weighed.mean(1, True)),
            ),
            dim=1,
        )
    ).sigmoid()
    assert torch.allclose(module(x), (weighed + weight * weighed) / 2, atol=1e-6)
    assert count(module.channel) == 2 * 8 * 2
    assert float(module.spatial.fuse[1].weight.detach()) == 0.5


# CBAM by its written formulas


@pytest.mark.parametrize(("bias", "bn", "kernel"), [(True, True, 7), (False, False, 3)])
def test_cbam_weighs_channels_then_positions(bias: bool, bn: bool, kernel: int) -> None:
    """Against the equations, with the pooling layers of torch and explicit matrices."""
    module = seeded(CBAM, 32, bias=bias, bn=bn, kernel=kernel).eval()
    x = noise(2, 32, 5, 7)
    first, _, second = module.channel.mlp

    def mlp(pooled: Tensor) -> Tensor:
        hidden = pooled.flatten(1) @ first.weight.T + (first.bias if bias else 0)
        return hidden.clamp_min(0) @ second.weight.T + (second.bias if bias else 0)

    pools = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
    channels = torch.sigmoid(mlp(pools[0](x)) + mlp(pools[1](x)))
    weighed = x * channels[:, :, None, None]
    maps = torch.cat((weighed.mean(1, keepdim=True), weighed.max(1, keepdim=True).values), dim=1)
    weight = module.spatial.score[0].weight
    score = nn.functional.conv2d(maps, weight, padding=kernel // 2)
    if bn:
        score = score / (1 + module.spatial.score[1].eps) ** 0.5  # statistics of the start
    assert torch.allclose(module(x), weighed * score.sigmoid(), atol=1e-6)


def test_cbam_is_cam_then_sam() -> None:
    cbam, cam, sam = CBAM(32).eval(), CAM(32).eval(), SAM(32).eval()
    cam.load_state_dict(cbam.channel.state_dict())
    sam.load_state_dict(cbam.spatial.state_dict())
    x = noise(2, 32, 6, 6)
    assert torch.equal(cbam(x), sam(cam(x)))
    assert not torch.allclose(cbam(x), cam(sam(x)))


# IVSA's block


def test_sab_scale_is_gamma_with_mean_one() -> None:
    norm = nn.BatchNorm2d(4)
    norm.weight.data = torch.tensor([1.0, -1.0, 2.0, 4.0])
    block = SAB(4)
    block.follow(norm)
    assert torch.allclose(torch.as_tensor(block.channel_scale()), torch.tensor([0.5, 0.5, 1, 2]))


def test_sab_literal_scale_sums_to_one() -> None:
    norm = nn.BatchNorm2d(4)
    norm.weight.data = torch.tensor([1.0, -1.0, 2.0, 4.0])
    block = SAB(4, gamma_scale="literal")
    assert block.channel_scale() == 0.25
    block.follow(norm)
    scale = torch.as_tensor(block.channel_scale())
    assert torch.allclose(scale, torch.tensor([0.125, 0.125, 0.25, 0.5]))
    assert not scale.requires_grad


def test_sab_does_not_own_the_norm_that_it_follows() -> None:
    stage = nn.Sequential(nn.BatchNorm2d(8), SAB(8))
    stage[1].follow(stage[0])
    assert count(stage[1]) == count(SAB(8))
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


def test_sab_in_its_other_readings_follows_their_formulas() -> None:
    """Root mean square, one perceptron of the sum, summed maps, a scale that sums to 1."""
    block = seeded(
        SAB, 4, 3, pooling_l2="rms", mlp="of_sum", gamma_scale="literal", spatial="sum"
    ).eval()
    x = noise(1, 4, 3, 3)
    rms = (x.square().sum(dim=(2, 3)) / 9).sqrt()
    weight = torch.sigmoid(block.mlp(x.mean(dim=(2, 3)) + x.amax(dim=(2, 3)) + rms))
    weighed = x * weight[:, :, None, None] / 4
    one = weighed.mean(1, keepdim=True) + weighed.amax(1, keepdim=True)
    assert torch.allclose(block(x), weighed * block.spatial(one), atol=1e-6)
    assert block.spatial[0].weight.shape == (1, 1, 3, 3)


@pytest.mark.parametrize("channels", [64, 128, 256, 512])
def test_only_the_scale_of_mean_one_leaves_a_map_as_large_as_cbam_does(channels: int) -> None:
    """The finding on equation 5: its weights make the map smaller by the number of channels."""
    # As behind a stage: rectified and pooled; 8 positions a side keep the test fast.
    x = nn.functional.max_pool2d(nn.functional.gelu(noise(16, channels, 16, 16)), 2)

    def spread(kind: Any, **options: Any) -> float:
        module = seeded(kind, channels, **options).train()
        if kind is SAB:
            module.follow(nn.BatchNorm2d(channels))
        return float(module(x).detach().std())

    cbam, mean1, literal = spread(CBAM), spread(SAB), spread(SAB, gamma_scale="literal")
    assert 0.5 < mean1 / cbam < 2
    assert literal / mean1 == pytest.approx(1 / channels, rel=0.5)


def test_the_literal_scale_starves_the_first_layer_of_improved_vgg() -> None:
    def first_gradient(gamma_scale: str) -> float:
        def attention(channels: int) -> nn.Module:
            return SAB(channels, gamma_scale=gamma_scale)

        body = seeded(vgg_improved, attention, "stage_end", ConvUnit(None), 1).train()
        body(noise(8, 1, 40, 40)).square().mean().sqrt().backward()
        return float(next(body.parameters()).grad.norm())

    assert first_gradient("mean1") > 100 * first_gradient("literal")


# What all of them keep


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_mixed_precision_a_map_keeps_its_type(name: str, dtype: torch.dtype) -> None:
    module = seeded(load("ferbench.models.attention", name), 32).eval()
    x = noise(2, 32, 6, 6).to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        out = module(x)
    assert out.dtype == dtype
    assert torch.allclose(out.float(), module(x.float()), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_a_map_keeps_its_type(kind: Any, dtype: torch.dtype) -> None:
    module = seeded(kind, 32).eval()
    x = noise(2, 32, 6, 6).to(dtype)
    expected = module(x.float())
    out = module.to(dtype)(x)
    assert out.dtype == dtype
    assert torch.allclose(out.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", OWN)
def test_deployed_attention_gives_the_same_map_with_its_norms_folded(kind: Any) -> None:
    module = nn.Sequential(seeded(kind, 32)).train()
    for seed in range(3):
        module(noise(4, 32, 6, 6, seed=seed))  # running statistics that are not those of the start
    served = deployed(module)
    x = noise(2, 32, 6, 6, seed=9)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in served.modules())
    assert torch.allclose(served(x), module.eval()(x), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "known"),
    [
        (OSAM, {"repeat": 5}, "0, 1, 2, 3, 4"),
        (OSAM, {"repeat": True}, "0, 1, 2, 3, 4"),
        (OSAM, {"norm": "softmax"}, "channel, sigmoid, spatial, spatial_raw"),
        (OSAM, {"residual": "sum"}, "add, mean, none"),
        (OSAM, {"form": "paper"}, "corrected, released"),
        (CBAMO, {"norm": "softmax"}, "channel, sigmoid, spatial, spatial_raw"),
        (SAM, {"kernel": 5}, "3, 7"),
        (SAM, {"norm": None}, "channel, sigmoid, spatial, spatial_raw"),
        (CBAM, {"bn": "no"}, "False, True"),
        (CAM, {"bias": 0}, "False, True"),
        (CAM, {"reduction": 0}, "at least 1"),
        (SAB, {"kernel": 5}, "3, 7"),
        (SAB, {"pooling_l2": "mean"}, "rms, sum"),
        (SAB, {"mlp": "sum"}, "each, of_sum"),
        (SAB, {"gamma_scale": 1}, "literal, mean1"),
        (SAB, {"spatial": ["sum"]}, "concat, sum"),
    ],
)
def test_unknown_option_value_is_refused(kind: Any, options: Any, known: str) -> None:
    with pytest.raises(InputError, match=known):
        kind(16, **options)
