"""Classifiers of timm and torchvision as rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from ferbench.config.params import Params, Variant
from ferbench.errors import InputError
from ferbench.models.build import build_network, logits_of
from ferbench.models.pretrained import load_initial


def row(params: Params, backbone: str, model: str, **changes: Any) -> Variant:
    options = {"backbone": {"model": model}}
    plain = dataclasses.replace(
        params.variants["vgg_improved"], paper="none", backbone=backbone, head="pooled"
    )
    return dataclasses.replace(plain, **{"options": options, **changes})


MODELS = {
    ("timm", "mobilenetv3_small_050"): 1024,
    ("timm", "convnext_atto"): 320,
    ("timm", "resnet18d"): 512,
    ("torchvision", "resnet18"): 512,
    ("torchvision", "squeezenet1_1"): 512,
}


@pytest.mark.thorough
@pytest.mark.parametrize(("about", "width"), MODELS.items(), ids=lambda value: str(value))
def test_a_network_ends_in_the_librarys_own_features(
    params: Params, about: tuple[str, str], width: int
) -> None:
    recipe = dataclasses.replace(params.recipe_of("vgg_improved"), channels=1, input_px=64)
    with torch.device("meta"):
        network: Any = build_network(row(params, *about), recipe, 7, seed=0).eval()
        assert logits_of(network, torch.zeros(2, 1, 64, 64)).shape == (2, 7)
    assert network.classify.in_features == width


def test_features_are_those_of_timm(params: Params) -> None:
    from timm import create_model

    variant = row(params, "timm", "mobilenetv3_small_050")
    recipe = dataclasses.replace(params.recipe_of("vgg_improved"), channels=3, input_px=64)
    network: Any = build_network(variant, recipe, 7, seed=0).eval()
    x = torch.rand(2, 3, 64, 64)
    maps = create_model("mobilenetv3_small_050", num_classes=0, global_pool="").eval()
    maps.load_state_dict(network.body.features[0].state_dict())
    assert torch.equal(network.body(x), maps(x))


@pytest.mark.thorough
def test_features_are_those_of_torchvision(params: Params) -> None:
    """What the library pools is the body's map: its own hook sees it."""
    from torchvision import models

    recipe = dataclasses.replace(params.recipe_of("vgg_improved"), channels=3, input_px=64)
    network: Any = build_network(
        row(params, "torchvision", "mobilenet_v3_small"), recipe, 7, seed=0
    ).eval()
    theirs: Any = models.mobilenet_v3_small().eval()
    state = network.body.features[0].network.state_dict()
    assert not theirs.load_state_dict(state, strict=False).unexpected_keys
    pooled: list[torch.Tensor] = []
    theirs.classifier.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    x = torch.rand(2, 3, 64, 64)
    theirs(x)
    torch.testing.assert_close(network.body(x).mean(dim=(2, 3)), pooled[0])


@pytest.mark.parametrize("backbone", ["timm", "torchvision"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("mobilenetv3_smal_100", "has no classifier 'mobilenetv3_smal_100'"),
        ("vit_tiny_patch16_224", "does not end in a map"),
        ("vit_b_16", "does not end in a map"),
    ],
)
def test_what_is_no_convolutional_classifier_is_refused(
    params: Params, backbone: str, model: str, message: str
) -> None:
    known = {"vit_tiny_patch16_224": "timm", "vit_b_16": "torchvision"}
    if known.get(model, backbone) != backbone:
        message = "has no classifier"
    with pytest.raises(InputError, match=message) as raised, torch.device("meta"):
        build_network(row(params, backbone, model), params.recipe_of("vgg_improved"), 7, seed=0)
    assert "options: backbone: model" in str(raised.value)


def test_weights_of_a_file_fit(params: Params, tmp_path: Path) -> None:
    from timm import create_model

    theirs = create_model("mobilenetv3_small_050", num_classes=0, global_pool="")
    named = {f"body.features.0.{name}": value for name, value in theirs.state_dict().items()}
    floats = sum(value.is_floating_point() for value in named.values())
    torch.save(named, tmp_path / "weights.pt")
    variant = row(params, "timm", "mobilenetv3_small_050", weights=str(tmp_path / "weights.pt"))
    recipe = dataclasses.replace(params.recipe_of("vgg_improved"), channels=3, input_px=64)
    network = build_network(variant, recipe, 7, seed=0)
    assert load_initial(network, variant)["matched"] == floats
    assert torch.equal(
        network.state_dict()["body.features.0.conv_stem.weight"], theirs.conv_stem.weight
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [("tf_efficientnet_lite0", "normalised by"), ("resnet18d.none", "publishes no weights")],
)
def test_weights_that_do_not_fit_are_refused(params: Params, model: str, message: str) -> None:
    variant = row(params, "timm", model, weights="imagenet")
    with pytest.raises(InputError, match=message):
        load_initial(torch.nn.Identity(), variant)


def test_an_image_that_is_too_small_is_refused(params: Params) -> None:
    recipe = dataclasses.replace(params.recipe_of("vgg_improved"), channels=3, input_px=32)
    with pytest.raises(InputError, match="32 px vanishes"):
        build_network(row(params, "torchvision", "alexnet"), recipe, 7, seed=0)
