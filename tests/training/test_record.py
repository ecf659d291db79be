"""A cell's record: what stands in `run.json` and in MLflow beside its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset
from ferbench.files import read_json, write_json
from ferbench.models.describe import describe
from ferbench.tracking.runs import connect, experiment_id, find_run
from ferbench.training import run as record

pytestmark = [
    # Lightning 2.6.6 asks torch for a name that torch 2.14 renames.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:DeprecationWarning"),
]


def test_a_run_records_its_deviations_and_no_setting_of_the_paper(
    own_store: Path, params: Params, stored: PackedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "CACHE", own_store.parent)
    monkeypatch.setattr(record, "open_dataset", lambda dataset, seed: stored)
    variant = params.variants["vgg_improved"]
    recipe = replace(params.recipe_of("vgg_improved"), epochs=1)
    params = replace(params, recipes={**params.recipes, variant.recipe: recipe})
    cell = Run(params.study.name, "vgg_improved", next(iter(params.datasets)), 0)
    description = describe("vgg_improved", variant, recipe)
    write_json(Path("reports", cell.study, "variants", "vgg_improved.json"), description)
    record.train_cell(cell, params)
    run = read_json(cell.folder / "run.json")
    assert "1 epoch instead of 100" in run["deviations"]
    client = connect()
    logged = find_run(client, experiment_id(client, cell.study), run["run_key"]).data.params
    assert logged["deviations"] == "; ".join(run["deviations"])
    assert logged["recipe.epochs"] == "1"
    assert not any(key.startswith("recipe.paper") for key in logged)
