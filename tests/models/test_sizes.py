"""Parameter counts and costs, measured once on independent builds of the same networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferbench.config.params import Params, load_params
from ferbench.models.build import build_network
from ferbench.models.deploy import deployed
from ferbench.models.describe import code_modules, describe, gflops

DEMO = Path(__file__).parents[2] / "studies" / "demo.yaml"


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(DEMO)


@pytest.mark.parametrize(
    ("variant", "input_px", "parameters"),
    [
        ("vgg_improved", 40, 7_745_071),
        ("vgg_improved", 48, 10_305_071),
        ("ivsa", 40, 7_790_011),
        ("ivsa", 48, 10_350_011),
        ("yolov5s", 640, 9_124_901),
        ("yolov5s_osam", 640, 9_125_159),
    ],
)
def test_parameters_are_exact_at_seven_classes(
    params: Params, variant: str, input_px: int, parameters: int
) -> None:
    import dataclasses

    recipe = dataclasses.replace(params.recipe_of(variant), input_px=input_px)
    network = build_network(params.variants[variant], recipe, 7, seed=0)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(
    ("variant", "input_px", "expected"),
    [
        ("vgg_improved", 40, 0.657),
        ("vgg_improved", 48, 0.948),
        ("ivsa", 40, 0.657),
        ("ivsa", 48, 0.949),
        ("yolov5s", 64, 0.238),
        ("yolov5s", 128, 0.954),
        ("yolov5s", 640, 23.84),
    ],
)
def test_gflops_are_those_of_the_deployed_network(
    params: Params, variant: str, input_px: int, expected: float
) -> None:
    import dataclasses

    recipe = dataclasses.replace(params.recipe_of(variant), input_px=input_px)
    network = deployed(build_network(params.variants[variant], recipe, 7, seed=0))
    digits = 2 if expected > 10 else 3
    assert round(gflops(network, recipe.channels, input_px), digits) == expected


@pytest.mark.parametrize("variant", ["vgg_improved", "ivsa", "yolov5s", "yolov5s_osam"])
def test_deployed_networks_say_the_same(params: Params, variant: str) -> None:
    recipe = params.recipe_of(variant)
    network = build_network(params.variants[variant], recipe, 7, seed=0)
    x = torch.rand(2, recipe.channels, recipe.input_px, recipe.input_px)
    network.train()(x)  # norms that have seen data
    before, after = network.eval()(x), deployed(network)(x)
    first = (before[0], after[0]) if isinstance(before, tuple) else (before, after)
    assert torch.allclose(*first, atol=1e-3, rtol=1e-4)


def test_a_description_does_not_depend_on_what_the_paper_states(params: Params) -> None:
    variant, recipe = params.variants["ivsa"], params.recipe_of("ivsa")
    before = describe("ivsa", variant, recipe)
    after = describe("ivsa", variant, replace(recipe, paper={"name": "p1", "epochs": 7}))
    assert recipe.paper
    assert after == before
    assert "paper" not in before["recipe"]


def test_describe_names_only_the_code_that_a_row_runs(params: Params) -> None:
    plain, gated = (
        describe(v, params.variants[v], params.recipe_of(v)) for v in ("yolov5s", "yolov5s_osam")
    )
    assert "ferbench.models.attention.osam" in gated["code"]
    assert "ferbench.models.attention.osam" not in plain["code"]
    assert "ferbench.models.graph" in plain["code"]
    assert not any("vgg" in module for module in plain["code"])
    assert plain["params_train"] == 9_124_901


def test_digest_covers_model_files_of_every_row_and_decoding_of_detectors_only(
    params: Params,
) -> None:
    detector, classifier = (
        code_modules(params.variants[v], params.recipe_of(v)) for v in ("yolov5s", "vgg_improved")
    )
    assert "ferbench.models.weights" in detector
    assert "ferbench.models.weights" in classifier
    assert "ferbench.detection.boxes" in detector
    assert "ferbench.detection.boxes" not in classifier
    written = describe("yolov5s", params.variants["yolov5s"], params.recipe_of("yolov5s"))["code"]
    assert sorted(written) == detector
