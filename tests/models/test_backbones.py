"""Classifiers' bodies and heads: sizes, places of attention, and their libraries' own networks."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from ferbench.errors import InputError
from ferbench.models.attention.none import NoAttention
from ferbench.models.attention.sab import SAB
from ferbench.models.blocks import Attention, ConvUnit
from ferbench.models.deploy import deployed, gflops
from ferbench.models.folded_norm import FoldedNorm
from ferbench.plugins import load

SMALL = {"depth": 18, "stem": "cifar"}
NARROW = {**SMALL, "width": 0.25}
DEEP = {"depth": 50}
ALEXNET_HEAD = {"pool": 6, "dropout_at": "inputs"}
LIGHT = {"reduction": 16, "bias": False, "bn": False}
# Smallest image that each of them takes.
SIDES = {
    "alexnet": 63,
    "dlib_resnet": 103,
    "efficientnet_lite0": 32,
    "googlenet": 32,
    "inception": 75,
    "resnet": 32,
    "vgg16": 32,
    "vgg_base": 32,
    "vgg_improved": 32,
}


def body_of(
    backbone: str,
    attention: Attention = NoAttention,
    location: str = "none",
    conv: ConvUnit = ConvUnit(None),  # noqa: B008  # frozen
    channels: int = 3,
    **options: Any,
) -> nn.Module:
    if backbone == "efficientnet_lite0":
        pytest.importorskip("timm")
    body: nn.Module = load("ferbench.models.backbones", backbone)(
        attention, location, conv, channels, **options
    )
    return body


def network_of(
    body: nn.Module, head: str = "pooled", px: int = 96, channels: int = 3, **options: Any
) -> nn.Module:
    network: nn.Module = load("ferbench.models.heads", head)(body, 7, px, channels, **options)
    return network.eval()


def attention(name: str, **options: Any) -> Attention:
    return partial(load("ferbench.models.attention", name), **options)


def size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("backbone", "options", "px", "channels", "parameters", "cost"),
    [
        ("vgg16", {}, 224, 3, 14_726_727, 30.69),
        ("googlenet", {}, 224, 3, 5_607_079, 2.99),
        ("inception", {}, 96, 3, 21_799_911, 0.68),
        ("resnet", SMALL, 48, 1, 11_171_271, 2.49),
        ("resnet", NARROW, 40, 1, 700_791, 0.11),
        ("resnet", {"depth": 18, "stem": "imagenet"}, 224, 3, 11_180_103, 3.63),
        ("resnet", DEEP, 224, 3, 23_522_375, 8.17),
        ("efficientnet_lite0", {}, 224, 3, 3_379_975, 0.77),
        ("dlib_resnet", {}, 150, 3, 5_580_071, 0.54),
        ("dlib_resnet", {"blocks": 12}, 150, 1, 3_215_591, 0.47),
    ],
)
def test_pooled_networks_have_exactly_their_size_and_cost(
    backbone: str, options: dict[str, Any], px: int, channels: int, parameters: int, cost: float
) -> None:
    with torch.device("meta"):  # counted, not computed
        body = body_of(backbone, channels=channels, **options)
        network = network_of(body, "pooled", px, channels)
        assert size(network) == parameters
        assert round(gflops(network, channels, px), 2) == cost


@pytest.mark.parametrize(
    ("backbone", "head", "options", "px", "parameters", "cost"),
    [
        ("vgg_base", "fc4096", {"dropout": 0.2}, 40, 29_890_759, 0.701),
        ("vgg_base", "fc4096", {"dropout": 0.2}, 48, 40_376_519, 1.008),
        ("vgg_improved", "fc1000", {}, 40, 7_745_071, 0.657),
        ("vgg_improved", "fc1000", {"activation": "relu"}, 48, 10_305_071, 0.948),
    ],
)
def test_grey_vgg_have_exactly_their_size_and_cost(
    backbone: str, head: str, options: dict[str, Any], px: int, parameters: int, cost: float
) -> None:
    with torch.device("meta"):  # counted, not computed
        network = network_of(body_of(backbone, channels=1), head, px, 1, **options)
        assert size(network) == parameters
        assert round(gflops(network, 1, px), 3) == cost


def test_vgg16_with_two_layers_of_4096_has_exactly_its_size_and_cost() -> None:
    with torch.device("meta"):  # counted, not computed: it is half a gigabyte
        network = network_of(body_of("vgg16", batch_norm=False), "fc4096", 224, pool=7)
        assert size(network) == 134_289_223
        assert round(gflops(network, 3, 224), 2) == 30.93


def test_alexnet_has_exactly_its_size_and_cost() -> None:
    network = network_of(body_of("alexnet"), "fc4096", 224, **ALEXNET_HEAD)
    assert size(network) == 57_032_519
    assert round(gflops(network, 3, 224), 2) == 1.42


def test_fresh_alexnet_keeps_the_differences_between_images() -> None:
    """Under torchvision's own initialization they shrink to a hundredth."""
    torch.manual_seed(0)
    features, images = body_of("alexnet").eval(), torch.rand(8, 3, 64, 64)
    with torch.no_grad():
        spread = features(images).std(dim=0).mean()
    assert spread > images.std(dim=0).mean() / 10


@pytest.mark.parametrize(
    ("name", "added"), [("osam", 86), ("sam", 100), ("cbamo", 8_464 + 86), ("cbam", 8_464 + 100)]
)
def test_alexnets_last_gate_adds_what_the_tables_row_adds(name: str, added: int) -> None:
    plain, gated = body_of("alexnet"), body_of("alexnet", attention(name), "last")
    assert size(gated) - size(plain) == added


def test_resnet50_has_one_light_cbam_behind_its_last_block() -> None:
    network = network_of(body_of("resnet", attention("cbam", **LIGHT), "last_block", **DEEP))
    assert size(network) == 24_046_761


@pytest.mark.parametrize(
    ("backbone", "location", "options", "px", "shapes"),
    [
        ("alexnet", "last", {}, 224, [(256, 13)]),
        ("alexnet", "all", {}, 224, [(64, 55), (192, 27), (384, 13), (256, 13), (256, 13)]),
        ("vgg_improved", "stage_end", {}, 40, [(64, 20), (128, 10), (256, 5), (512, 2)]),
        ("vgg_improved", "before_pool", {}, 40, [(64, 40), (128, 20), (256, 10), (512, 5)]),
        ("vgg_base", "before_pool", {}, 48, [(64, 48), (128, 24), (256, 12), (512, 6)]),
        ("vgg16", "last", {}, 224, [(512, 14)]),
        ("resnet", "last_block", DEEP, 224, [(2048, 7)]),
        ("resnet", "last_block", SMALL, 48, [(512, 6)]),
        ("googlenet", "last", {}, 224, [(1024, 7)]),
        ("inception", "last", {}, 96, [(2048, 1)]),
        ("efficientnet_lite0", "last", {}, 224, [(1280, 7)]),
        ("dlib_resnet", "last", {}, 150, [(256, 2)]),
        ("dlib_resnet", "last", {"blocks": 12}, 150, [(256, 4)]),
    ],
)
def test_attention_reads_the_maps_of_its_location(
    backbone: str, location: str, options: dict[str, Any], px: int, shapes: list[tuple[int, int]]
) -> None:
    seen: list[tuple[int, int]] = []

    class Spy(NoAttention):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[1] == self.channels
            seen.append((x.shape[1], x.shape[3]))
            return x

    # Shapes alone; AlexNet puts its weights on the CPU.
    with torch.device("cpu" if backbone == "alexnet" else "meta"):
        body = body_of(backbone, Spy, location, **options).eval()
        body(torch.rand(1, 3, px, px))
    assert seen == shapes


def test_attention_of_vgg_before_pooling_sees_activations_and_after_it_their_maxima() -> None:
    def order(location: str) -> list[type[nn.Module]]:
        return [type(m) for m in body_of("vgg_base", location=location).stages][:3]  # type: ignore[union-attr]

    assert order("before_pool") == [nn.Sequential, NoAttention, nn.MaxPool2d]
    assert order("stage_end") == [nn.Sequential, nn.MaxPool2d, NoAttention]


@pytest.mark.parametrize("name", ["vgg_base", "vgg_improved"])
def test_the_vgg_of_ivsa_differ_in_their_activation_alone(name: str) -> None:
    own = {"vgg_base": nn.ReLU, "vgg_improved": nn.GELU}[name]
    kinds = [type(m) for m in body_of(name).modules() if not list(m.children())]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, own] * 2 + [nn.MaxPool2d] + (
        ([nn.Conv2d, nn.BatchNorm2d, own] * 2 + [nn.MaxPool2d]) * 3
    )


@pytest.mark.parametrize(
    ("backbone", "location", "options"),
    [
        ("alexnet", "last", {}),  # no norm at all
        ("vgg16", "last", {"batch_norm": False}),
        ("googlenet", "last", {}),  # norms side by side
        ("inception", "last", {}),
        ("vgg16", "last", {}),
        ("resnet", "last_block", {}),
        ("vgg_base", "before_pool", {}),
    ],
)
def test_an_attention_that_follows_a_norm_takes_one_of_its_own_map_or_none(
    backbone: str, location: str, options: dict[str, Any]
) -> None:
    body = body_of(backbone, SAB, location, **options).eval()
    assert body(torch.rand(2, 3, 96, 96)).isfinite().all()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("backbone", "library", "options"),
    [
        ("alexnet", torchvision.models.alexnet, {}),
        ("vgg16", torchvision.models.vgg16_bn, {}),
        ("vgg16", torchvision.models.vgg16, {"batch_norm": False}),
        ("googlenet", partial(torchvision.models.googlenet, init_weights=False), {}),
        ("inception", partial(torchvision.models.inception_v3, init_weights=False), {}),
        ("resnet", torchvision.models.resnet18, {}),
        ("resnet", torchvision.models.resnet50, DEEP),
    ],
)
def test_features_are_those_of_the_librarys_network(
    backbone: str, library: Any, options: dict[str, Any]
) -> None:
    """By its own names and in its own forward pass, read just before its pooling."""
    torch.manual_seed(0)
    body = body_of(backbone, **options).eval()
    with torch.device("meta"):  # its weights are ours
        theirs = library(num_classes=2).eval()
    if hasattr(theirs, "classifier"):  # up to half a gigabyte, behind what is compared
        theirs.classifier = nn.Identity()
    theirs.to_empty(device="cpu")
    source = theirs.features if hasattr(theirs, "features") else theirs
    loaded = source.load_state_dict(body.features.state_dict(), strict=False)  # type: ignore[union-attr]
    assert loaded.unexpected_keys == []
    seen: list[torch.Tensor] = []
    theirs.avgpool.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    image = torch.rand(1, 3, 96, 96)
    theirs(image)
    assert torch.equal(body(image), seen[0])


def test_whole_alexnet_gives_the_librarys_logits() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(num_classes=7).eval()
    ours = network_of(body_of("alexnet"), "fc4096", 96, **ALEXNET_HEAD)
    ours.body.features.load_state_dict(theirs.features.state_dict())  # type: ignore[union-attr]
    for index, other in ((1, 1), (4, 4), (7, 6)):
        ours.classify[index].load_state_dict(theirs.classifier[other].state_dict())  # type: ignore[index]
    image = torch.rand(2, 3, 96, 96)
    assert torch.equal(ours(image), theirs(image))


@pytest.mark.parametrize(
    ("options", "library"),
    [(ALEXNET_HEAD, torchvision.models.alexnet), ({"pool": 7}, torchvision.models.vgg16)],
)
def test_dropout_is_where_the_library_has_it(options: dict[str, Any], library: Any) -> None:
    """Whether each linear layer's input has just been dropped."""

    def dropped(layers: nn.Module) -> list[bool]:
        found, fresh = [], False
        for layer in layers.modules():
            if isinstance(layer, nn.Linear):
                found.append(fresh)
            # ReLU and dropout can change places: both keep 0 and positive factors.
            fresh = isinstance(layer, nn.Dropout) or (fresh and isinstance(layer, nn.ReLU))
        return found

    with torch.device("meta"):
        theirs = library(num_classes=7).classifier
        body = nn.Conv2d(3, 8, 1)
        ours = load("ferbench.models.heads", "fc4096")(body, 7, 16, 3, **options).classify
    assert dropped(ours) == dropped(theirs)


@pytest.mark.thorough
@pytest.mark.parametrize(("backbone", "px"), SIDES.items())
@pytest.mark.parametrize("channels", [1, 3])
def test_a_body_runs_at_its_smallest_size(backbone: str, px: int, channels: int) -> None:
    network = network_of(body_of(backbone, channels=channels), "pooled", px, channels)
    out = network(torch.rand(2, channels, px, px))
    assert out.shape == (2, 7)
    assert out.isfinite().all()


@pytest.mark.parametrize("depth", [18, 50])
def test_narrow_resnet_starts_as_the_whole_one_does_and_has_a_quarter_of_its_channels(
    depth: int,
) -> None:
    torch.manual_seed(0)
    whole, narrow = (body_of("resnet", depth=depth, width=width) for width in (1.0, 0.25))
    maps = [body.eval()(torch.rand(1, 3, 64, 64)) for body in (whole, narrow)]
    assert maps[0].shape[1] == 4 * maps[1].shape[1]
    last = [body.features.layer4[0].conv2.weight for body in (whole, narrow)]  # type: ignore
    for weight in last:  # He's for its own number of outputs, `fan_out`
        assert weight.std().item() == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("backbone", "px"), [("alexnet", 63), ("dlib_resnet", 103), ("inception", 75), ("vgg16", 32)]
)
def test_too_small_image_is_refused_with_the_smallest_valid_size(backbone: str, px: int) -> None:
    with pytest.raises(InputError, match=rf"{px - 1} px(.|\n)*take {px} or more"):
        network_of(body_of(backbone), "pooled", px - 1)


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", SIDES)
def test_deployed_classifier_gives_the_same_logits(backbone: str) -> None:
    torch.manual_seed(0)
    px = max(96, SIDES[backbone])
    network = network_of(body_of(backbone), px=px)
    image = torch.rand(4, 3, px, px)
    with torch.no_grad():
        network.train()(image)  # norms that have seen data
        before = network.eval()(image)
        folded = deployed(network)
        assert not any(isinstance(m, FoldedNorm) for m in folded.modules())
        assert torch.allclose(before, folded(image), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("backbone", SIDES)
def test_conv_unit_replaces_every_activation(backbone: str) -> None:
    unit = ConvUnit("LeakyReLU", 0.01)
    own = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU)
    with torch.device("meta"):
        plain, other = body_of(backbone), body_of(backbone, conv=unit)
    before = [m for m in plain.modules() if isinstance(m, own)]
    after = [m for m in other.modules() if isinstance(m, nn.LeakyReLU)]
    assert len(after) == len(before) > 0
    assert not any(isinstance(m, own) for m in other.modules())


@pytest.mark.thorough
@pytest.mark.parametrize("backbone", SIDES)
def test_every_parameter_of_a_body_gets_a_gradient(backbone: str) -> None:
    torch.manual_seed(0)
    body = body_of(backbone).train()
    # A norm needs two values a channel, so maps of more than one position.
    body(torch.rand(2, 3, 128, 128)).square().sum().backward()
    assert [n for n, p in body.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("head", ["pooled", "fc1000", "fc4096"])
def test_the_last_layer_of_classify_gives_the_classes(head: str) -> None:
    network = network_of(nn.Conv2d(3, 5, 1), head, px=8)
    assert isinstance(network.classify, nn.Module)
    layers = [m for m in network.classify.modules() if isinstance(m, nn.Linear)]
    assert layers[-1].out_features == 7
    assert layers[-1] is list(network.modules())[-1]


def test_dropout_of_the_pooled_head_zeroes_means_in_training_alone() -> None:
    torch.manual_seed(0)
    network = network_of(nn.Conv2d(3, 1000, 1), px=8, dropout=0.5)
    seen: list[torch.Tensor] = []
    network.classify.register_forward_hook(lambda module, inputs, out: seen.append(inputs[0]))  # type: ignore[union-attr]
    for training in (True, False):
        network.train(training)(torch.rand(1, 3, 8, 8))
    zeroed = [float((x == 0).float().mean()) for x in seen]
    assert zeroed == [pytest.approx(0.5, abs=0.1), 0.0]


def test_the_classifier_of_resnet50_has_14343_parameters() -> None:
    network = network_of(body_of("resnet", attention("cbam", **LIGHT), "last_block", **DEEP))
    assert sum(p.numel() for p in network.classify.parameters()) == 14_343  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("column", "name", "options", "message"),
    [
        ("backbones", "resnet", {"depth": 34}, "known: 18, 50"),
        ("backbones", "resnet", {"stem": "small"}, "known: cifar, imagenet"),
        ("heads", "fc1000", {"activation": "tanh"}, "known: gelu, relu"),
        ("heads", "fc4096", {"dropout_at": "end"}, "known: inputs, outputs"),
        ("heads", "fc4096", {"dropout": 1.5}, "dropout must be a share"),
        ("heads", "pooled", {"dropout": -0.1}, "dropout must be a share"),
    ],
)
def test_an_options_unknown_value_is_refused(
    column: str, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        if column == "heads":
            network_of(nn.Conv2d(3, 5, 1), name, px=8, **options)
        else:
            body_of(name, **options)
