"""YOLO-FER: the sizes of its rows and what its blocks do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ferbench.errors import InputError
from ferbench.models.attention.mca import MCA
from ferbench.models.attention.none import NoAttention
from ferbench.models.backbones.yolo12 import YOLO12
from ferbench.models.blocks import ConvUnit
from ferbench.models.yolo_blocks import LRFE, AreaAttention, BottleneckLRFE, NewStarBlock

STAR, DILATED, BOTTLENECK = {"star": True}, {"lrfe": "dilated"}, {"lrfe": "bottleneck"}
FULL = STAR | DILATED
# Row, MCA, options, parameters at seven classes, deployed, GFLOPs of convolutions at 640 px.
ROWS: list[tuple[bool, dict[str, Any], int, int, float]] = [
    (False, {}, 2_521_029, 2_509_709, 5.823),
    (False, {"base": "library"}, 2_569_413, 2_558_093, 6.324),
    (False, STAR, 2_567_125, 2_556_037, 7.476),
    (True, {}, 2_521_061, 2_509_741, 5.823),
    (False, DILATED, 2_865_989, 2_854_285, 6.098),
    (False, BOTTLENECK, 2_800_837, 2_789_005, 6.045),
    (True, STAR, 2_567_157, 2_556_069, 7.476),
    (True, DILATED, 2_866_021, 2_854_317, 6.098),
    (False, FULL, 2_912_085, 2_900_613, 7.751),
    (True, FULL, 2_912_117, 2_900_645, 7.751),
    (True, FULL | {"base": "library"}, 2_960_501, 2_949_029, 8.252),
    (True, FULL | {"star_ratio": 3}, 2_871_733, 2_860_261, 7.417),
    (True, FULL | {"star_e": 0.25}, 2_839_941, 2_828_565, 6.268),
    (True, STAR | BOTTLENECK, 2_846_965, 2_835_365, 7.699),
]


HEAD = 432_037  # parameters of the last layer of each


def detector(mca: bool = False, conv: ConvUnit | None = None, **options: Any) -> Any:
    torch.manual_seed(0)
    place = (MCA, "backbone") if mca else (NoAttention, "none")
    return YOLO12(*place, conv or ConvUnit(None), 3, **options).build(7)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def convolution_gflops(network: nn.Module, px: int) -> float:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, 3, px, px))
    counts = counter.get_flop_counts()["Global"]
    return float(sum(n for op, n in counts.items() if "conv" in str(op))) / 1e9


@pytest.mark.thorough
@pytest.mark.parametrize(("mca", "options", "trained", "deployed", "gflops"), ROWS)
def test_rows_have_the_size_of_independent_builds(
    mca: bool, options: dict[str, Any], trained: int, deployed: int, gflops: float
) -> None:
    network = detector(mca, **options).eval()
    assert parameters(network) == trained
    # Without the library's own C3k2 and A2C2f in the table its head would have full kernels.
    assert parameters(network.model[-1]) == HEAD
    fused = network.fuse(verbose=False)
    assert parameters(fused) == deployed
    # All maps are whole at 64 px, so cost grows with the area: a hundredth of that at 640.
    assert convolution_gflops(fused, 64) * 100 == pytest.approx(gflops, abs=1e-3)


def test_the_library_base_is_the_librarys_own_yolo12n() -> None:
    from ultralytics.cfg import get_cfg  # noqa: F401  # its import prepares the package's paths
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    library = DetectionModel("yolo12n.yaml", nc=7, verbose=False).eval()
    ours = detector(base="library").eval()
    theirs = library.state_dict()
    assert list(ours.state_dict()) == list(theirs)
    ours.load_state_dict(theirs)
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(ours(x)[0], library(x)[0])


@torch.no_grad()
def test_whole_model_decodes_one_prediction_for_each_place() -> None:
    network = detector(True, **FULL).eval()
    for px in (32, 64, 128, 320):
        decoded = network(torch.rand(2, 3, px, px))[0]
        assert decoded.shape == (2, 4 + 7, sum((px // stride) ** 2 for stride in (8, 16, 32)))
        assert decoded.isfinite().all()
    assert network.stride.tolist() == [8, 16, 32]


def test_attention_and_lrfe_stand_behind_the_backbones_stages_and_feed_the_neck() -> None:
    network = detector(True, **FULL)
    gates = [m for m in network.model if isinstance(m, MCA)]
    assert [(m.i, m.f, m.channels.conv.kernel_size[0]) for m in gates] == [(7, -1, 3), (10, -1, 5)]
    assert isinstance(network.model[11], LRFE)
    read = [m.f for m in network.model if type(m).__name__ == "Concat"]
    assert read == [[-1, 7], [-1, 4], [-1, 14], [-1, 11]]


def test_every_parameter_of_the_whole_model_gets_a_gradient() -> None:
    network = detector(True, **FULL).train()
    raw = network(torch.rand(2, 3, 128, 128))
    (raw["boxes"].square().mean() + raw["scores"].square().mean()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert [n for n in silent if ".dfl." not in n] == []


def test_deployed_model_gives_the_same_boxes() -> None:
    network = detector(True, **FULL)
    x = torch.rand(2, 3, 64, 64)
    network.train()(x)  # norms that have seen data
    network.eval()
    fused = copy.deepcopy(network).fuse(verbose=False)
    assert torch.allclose(network(x)[0], fused(x)[0], atol=1e-3, rtol=1e-4)


def test_the_conv_unit_changes_every_activation_but_the_star_blocks_own() -> None:
    network = detector(conv=ConvUnit("LeakyReLU", 0.01), **FULL)
    silu = [n for n, m in network.named_modules() if isinstance(m, nn.SiLU)]
    assert silu
    assert all(n.endswith(".gate.1") for n in silu)
    relu6 = detector(star=True, star_act="relu6")
    assert sum(isinstance(m, nn.ReLU6) for m in relu6.modules()) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"base": "v8"},
        {"star_act": "gelu"},
        {"star_e": 0.3},
        {"lrfe": "wide"},
        {"dilation": 4},
        {"dilation": True},
        {"star_ratio": 0},
    ],
)
def test_unknown_option_value_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="yolo12"):
        YOLO12(NoAttention, "none", ConvUnit(None), 3, **options)


@pytest.mark.parametrize(("channels", "ratio"), [(32, 4), (64, 4), (16, 3)])
def test_a_star_block_has_3rcc_2rc_105c_parameters(channels: int, ratio: int) -> None:
    expected = 3 * ratio * channels**2 + 2 * ratio * channels + 105 * channels
    assert parameters(NewStarBlock(channels, ratio)) == expected


def test_a_star_block_is_the_written_formula() -> None:
    torch.manual_seed(0)
    block = NewStarBlock(8, 2, "relu6").eval()
    x = torch.randn(1, 8, 9, 9)
    depthwise, norm = block.near
    t = norm(depthwise(x))
    product = block.gate[0](t).clamp(0, 6) * block.value(t)
    back, norm, depthwise = block.back
    assert torch.allclose(block(x), x + depthwise(norm(back(product))), atol=1e-6)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_lrfe_keeps_the_shape_and_its_size_for_every_dilation(dilation: int) -> None:
    for form, size in ((LRFE, 344_960), (BottleneckLRFE, 279_808)):
        block = form(256, dilation)
        assert parameters(block) == size
        for px in (1, 2, 20):
            assert block.eval()(torch.rand(1, 256, px, px)).shape == (1, 256, px, px)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_place_of_lrfe_sees_as_far_as_its_dilation(dilation: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 9, 9, requires_grad=True)
    LRFE(8, dilation).eval()(x)[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum(dim=(0, 1)).nonzero()
    assert seen.min() == 4 - dilation
    assert seen.max() == 4 + dilation


@pytest.mark.parametrize(("channels", "size", "kernel"), [(128, 15, 3), (256, 17, 5)])
def test_mca_has_the_kernel_and_the_parameters_of_its_channels(
    channels: int, size: int, kernel: int
) -> None:
    module = MCA(channels)
    assert parameters(module) == size
    assert module.channels.conv.kernel_size == (kernel,)
    assert module.rows.conv.kernel_size == module.columns.conv.kernel_size == (3,)


@pytest.mark.parametrize("shape", [(2, 128, 1, 1), (1, 4, 1, 3), (2, 2, 5, 1)])
def test_mca_is_finite_on_maps_of_one_place_with_finite_gradients(
    shape: tuple[int, int, int, int],
) -> None:
    module = MCA(shape[1])
    x = torch.rand(shape, requires_grad=True)
    out = module(x)
    out.sum().backward()
    assert out.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_mca_does_not_overflow_in_half_precision() -> None:
    x = torch.full((1, 16, 8, 8), 300.0, dtype=torch.float16)  # 300² is beyond float16
    x[..., 0] = -300
    with torch.autocast("cpu", torch.float16):
        out = MCA(16)(x)
    assert out.dtype == torch.float16
    assert out.isfinite().all()


def test_mca_is_the_written_formula_on_each_dimension() -> None:
    """Against loops over the entries of each dimension."""
    torch.manual_seed(0)
    module = MCA(16).double()
    x = torch.randn(1, 16, 3, 5, dtype=torch.float64)
    total = torch.zeros_like(x)
    for dim, gate in ((1, module.channels), (2, module.rows), (3, module.columns)):
        first, second = gate.mix.sigmoid()
        values = []
        for i in range(x.shape[dim]):
            entry = x.select(dim, i)
            values.append((0.5 + first) * entry.mean() + (0.5 + second) * entry.std())
        kernel = gate.conv.weight.flatten()
        reach = len(kernel) // 2
        for i in range(x.shape[dim]):
            near = range(max(0, i - reach), min(len(values), i + reach + 1))
            weight = torch.sigmoid(sum(kernel[j - i + reach] * values[j] for j in near))
            total.select(dim, i).add_(weight * x.select(dim, i))
    assert torch.allclose(module(x), total / 3, atol=1e-6)


def test_turbo_attention_is_the_librarys_with_a_smaller_position_kernel() -> None:
    """The library's layer with the same weights: its heads hold q, k and v one after another."""
    from ultralytics.nn.modules.block import AAttn

    torch.manual_seed(0)
    ours, theirs = AreaAttention(64, area=4).eval(), AAttn(64, num_heads=2, area=4).eval()
    q, k = ours.qk.conv.weight.view(2, 2, 32, 64, 1, 1)
    v = ours.v.conv.weight.view(2, 32, 64, 1, 1)
    theirs.qkv.conv.weight.data = torch.stack((q, k, v), dim=1).reshape(192, 64, 1, 1)
    theirs.pe.conv.weight.data = nn.functional.pad(ours.pe.conv.weight, (1, 1, 1, 1))
    theirs.proj.load_state_dict(ours.proj.state_dict())
    for part in (*ours.modules(), *theirs.modules()):
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 1e-3
    x = torch.randn(2, 64, 4, 6)
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)
