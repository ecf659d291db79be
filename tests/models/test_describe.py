"""Sizes and costs of networks, and what an edit of the code changes in descriptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.example_study import PROJECT
from torch import nn

from ferbench.config.params import Params, load_params
from ferbench.models import describe as describing
from ferbench.models.build import build_network
from ferbench.models.deploy import deployed, gflops
from ferbench.models.describe import code_of, describe

METRIC = "accuracy"
BUILT = ("yolo12n", "yolo12n_star", "yolo_fer", "yolov5s_osam", "ivsa", "vgg_improved")


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(PROJECT / "studies" / "all_rows.yaml")


@pytest.fixture(scope="module")
def networks(params: Params) -> dict[str, nn.Module]:
    """Networks of some rows with their recipes' input."""
    return {
        name: build_network(params.variants[name], params.recipe_of(name), 7, seed=0)
        for name in BUILT
    }


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("variant", "input_px", "parameters", "cost"),
    [
        ("vgg_improved", 40, 7_745_071, 0.657),
        ("vgg_improved", 48, 10_305_071, 0.948),
        ("ivsa", 40, 7_790_011, 0.657),
        ("ivsa", 48, 10_350_011, 0.949),
        ("yolov5s", 64, 9_124_901, 0.238),
        ("yolov5s", 128, 9_124_901, 0.954),
        ("yolov5s", 640, 9_124_901, 23.84),
        ("yolov5s_osam", 64, 9_125_159, None),
    ],
)
def test_parameters_and_gflops_are_those_of_independent_builds(
    params: Params, variant: str, input_px: int, parameters: int, cost: float | None
) -> None:
    recipe = dataclasses.replace(params.recipe_of(variant), input_px=input_px)
    network = build_network(params.variants[variant], recipe, 7, seed=0)
    assert sum(p.numel() for p in network.parameters()) == parameters
    if cost is not None:
        found = gflops(deployed(network), recipe.channels, input_px)
        assert round(found, 2 if cost > 10 else 3) == cost


@pytest.mark.parametrize("variant", ["vgg_improved", "ivsa", "yolov5s_osam"])
def test_deployed_networks_predict_the_same_after_training(
    networks: dict[str, nn.Module], params: Params, variant: str
) -> None:
    recipe, network = params.recipe_of(variant), networks[variant]
    x = torch.rand(2, recipe.channels, recipe.input_px, recipe.input_px)
    network.train()(x)  # norms that have seen data
    before, after = network.eval()(x), deployed(network)(x)
    first = (before[0], after[0]) if isinstance(before, tuple) else (before, after)
    assert torch.allclose(*first, atol=1e-3, rtol=1e-4)


def test_description_does_not_depend_on_what_the_paper_states(params: Params) -> None:
    variant, recipe = params.variants["ivsa"], params.recipe_of("ivsa")
    before = describe("ivsa", variant, recipe, metric=METRIC)
    other = dataclasses.replace(recipe, paper={"name": "p1", "epochs": 7})
    assert recipe.paper
    assert describe("ivsa", variant, other, metric=METRIC) == before
    assert "paper" not in before["recipe"]


def test_description_names_only_modules_whose_code_the_row_runs(params: Params) -> None:
    def code(name: str) -> set[str]:
        return set(describe(name, params.variants[name], params.recipe_of(name))["code"])

    gated, classifier = code("yolov5s_osam"), code("ivsa")
    shared = {"build", "weights", "blocks", "convs.units"}
    assert {f"ferbench.models.{name}" for name in shared} <= gated & classifier
    graphs = {"ferbench.models.graph", "ferbench.models.backbones.yolov5"}
    assert graphs <= gated
    assert not graphs & classifier
    assert "ferbench.models.attention.cbam" in gated - classifier
    assert "ferbench.models.attention.sab" in classifier - gated
    assert not any("pretrained" in module for module in gated | classifier)


class Edits:
    """Sources that `describe` reads, with some text replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.replaced: dict[str, tuple[str, str]] = {}
        read = describing._source

        def source(module: str) -> str:
            before, after = self.replaced.get(module, ("", ""))
            text = read(module)
            assert before in text
            return text.replace(before, after, 1)

        monkeypatch.setattr(describing, "_source", source)


@pytest.fixture
def edits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Edits]:
    yield Edits(monkeypatch)


@pytest.mark.parametrize(
    ("module", "before", "after", "rows"),
    [
        # The star block: rows of the same backbone class without star blocks stay.
        (
            "ferbench.models.yolo_blocks",
            "t = self.near(x)",
            "t = self.near(2 * x)",
            {"yolo12n_star", "yolo_fer"},
        ),
        (
            "ferbench.models.yolo_blocks",
            "wide = self.wide(x)",
            "wide = self.wide(-x)",
            {"yolo_fer"},
        ),
        ("ferbench.models.yolo_blocks", "_HEAD = 32", "_HEAD = 16", {*BUILT[:3]}),
        ("ferbench.models.attention.cbam", "_NORMS = (", "_NORMS = ('x', ", {"yolov5s_osam"}),
        ("ferbench.models.attention.cbam", "check_option(", "print(", set()),  # of CAM alone
        ("ferbench.models.losses.yolo", '"box": 7.5', '"box": 7.0', {*BUILT[:4]}),
        ("ferbench.models.loss_terms", "0.05, 0.95", "0.1, 0.9", {*BUILT[:4]}),
        (
            "ferbench.data.augmentations.standard",
            "(0.8, 1.2)",
            "(0.8, 1.3)",
            {"ivsa", "vgg_improved"},
        ),
        ("ferbench.models.backbones.vgg", "(64, 128,", "(64, 129,", {"ivsa", "vgg_improved"}),
        ("ferbench.models.pretrained", "for name in given", "for nome in given", set()),
        ("ferbench.models.build", "torch.manual_seed(seed)", "torch.manual_seed(1)", {*BUILT}),
        ("ferbench.models.build", "The network of a row", "A network", set()),  # a docstring
    ],
)
def test_edit_changes_the_code_of_exactly_the_rows_that_run_it(
    params: Params,
    networks: dict[str, nn.Module],
    edits: Edits,
    module: str,
    before: str,
    after: str,
    rows: set[str],
) -> None:
    def code(name: str) -> dict[str, str]:
        row = params.variants[name], params.recipe_of(name)
        return code_of(*row, METRIC, networks[name])

    first = {name: code(name) for name in BUILT}
    edits.replaced = {module: (before, after)}
    now = {name: code(name) for name in BUILT}
    assert {name for name in BUILT if now[name] != first[name]} == rows
    assert all(m == module for name in rows for m in now[name] if now[name][m] != first[name][m])


def test_metric_added_to_a_file_changes_no_code(
    params: Params, networks: dict[str, nn.Module], edits: Edits
) -> None:
    row = params.variants["ivsa"], params.recipe_of("ivsa"), METRIC, networks["ivsa"]
    before = code_of(*row)
    (module,) = (m for m in before if m.startswith("ferbench.evaluation.metrics."))
    edits.replaced = {module: ("import numpy", "def added(x): return x\n\n\nimport numpy")}
    assert code_of(*row) == before
    edits.replaced = {
        module: ("np.mean" if "np.mean" in before[module] else "return", "return 0 or")
    }
    assert code_of(*row) != before


def test_definition_that_is_not_there_is_an_error(edits: Edits) -> None:
    edits.replaced = {"ferbench.models.weights": ("def save_trained", "def store")}
    with pytest.raises(LookupError, match="does not define save_trained"):
        describing._reachable({("ferbench.models.weights", "save_trained")})


def test_code_is_followed_through_other_ways_to_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_up"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "a": "from made_up.b import far\n\n\ndef f():\n    from made_up import c\n    return far\n",
        "b": "from made_up.d import far\nOTHER = 1\n",
        "c": "X = 1\nX.y = 2\nif X:\n    print(X)\n",
        "d": "def far():\n    return near(LIMIT)\n\n\nLIMIT: int = 3\nnear = abs\nunused = 1\n",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(describing, "FOLLOWED", ("made_up.",))
    found = describing._reachable({("made_up.a", "f")})
    assert {pair for pair in found if pair[1]} == {
        ("made_up.a", "f"),
        ("made_up.b", "far"),
        ("made_up.c", "X"),
        ("made_up.d", "far"),
        ("made_up.d", "near"),
        ("made_up.d", "LIMIT"),
    }
