"""From a study's tables to a champion, on made-up results and a registry of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from tests.fabricated_study import fabricate, fabricate_reports

from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.evaluation.scoreboard import score_study, write_scoreboard
from ferbench.files import read_json, write_json
from ferbench.tracking import promotion as filing
from ferbench.tracking.promotion import promote_study, register_best
from ferbench.tracking.registry import champion
from ferbench.tracking.selected import best_run, study_results

DATASET = "synthetic"
RUN = Path("runs", "demo", "ivsa", DATASET)


@pytest.fixture
def study(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A scored study in the current folder, of which `ivsa` is the best."""
    root = Path()
    params = fabricate(root)
    fabricate_reports(root, params)
    write_scoreboard(score_study(params, root), root / "reports" / "demo")
    for path in RUN.glob("*/run.json"):
        more = {"run_key": f"key {path.parent.name}", "data_digest": "d", "channels": 1}
        write_json(path, read_json(path) | more | {"input_px": 40, "precision": "32-true"})
    write_split({"a": "train", "b": "val", "c": "test"})
    monkeypatch.setattr(filing, "load_trained", lambda path: path)
    monkeypatch.setattr(
        filing, "logged_model", lambda study, run, model: Path().absolute().as_uri()
    )
    return dataclasses.replace(
        params, promote=dataclasses.replace(params.promote, min_class_recall=0.0)
    )


def write_split(sides: dict[str, str]) -> None:
    path = Path("data", "splits", f"{DATASET}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"image_id": list(sides), "split": list(sides.values())})
    frame.assign(person=[name[0] for name in sides]).to_parquet(path)


def failed(params: Params) -> list[str]:
    outcome = promote_study(params)[DATASET]
    assert outcome["promoted"] == all(gate["passed"] for gate in outcome["gates"])
    return [gate["gate"] for gate in outcome["gates"] if not gate["passed"]]


def change(name: str, edit: Callable[[Any], None]) -> None:
    path = Path("reports", "data", f"{DATASET}{name}")
    tree = read_json(path)
    edit(tree)
    write_json(path, tree)


def register(params: Params) -> dict[str, Any]:
    filed = register_best(params)
    write_json(Path("reports", "demo", "registered.json"), filed)
    return dict(filed[DATASET])


def test_the_best_model_on_val_is_filed_once(study: Params) -> None:
    filed = register(study)
    assert filed == register(study)
    assert (filed["model"], filed["version"]) == (f"ferbench_{DATASET}", "1")
    assert filed["variant"] == "ivsa"
    assert filed["run_key"] == f"key {filed['seed']}"
    assert filed["card"].startswith("# ivsa on synthetic")


def test_what_is_filed_becomes_champion_and_stays_it(study: Params) -> None:
    register(study)
    for _ in range(2):  # its own champion is no rival
        assert failed(study) == []
        assert promote_study(study)[DATASET]["champion"] == "1"
    assert champion(f"ferbench_{DATASET}").tags["run_key"].startswith("key")  # type: ignore[union-attr]


def test_unfiled_models_are_not_promoted(study: Params) -> None:
    with pytest.raises(InputError, match="no model of synthetic is registered"):
        promote_study(study)


def test_a_broken_promise_of_the_data_shuts_the_gate(study: Params) -> None:
    register(study)
    change(".json", lambda tree: tree.update(passed=False))
    assert failed(study) == ["data"]
    assert champion(f"ferbench_{DATASET}") is None


def test_a_person_on_two_sides_shuts_the_gate(study: Params) -> None:
    register(study)
    write_split({"a1": "train", "a2": "test"})
    assert failed(study) == ["leaks"]
    write_split({"a1": "train", "a2": "train", "b": "test"})
    assert failed(study) == []


def test_persons_who_are_not_known_shut_nothing(study: Params) -> None:
    register(study)
    path = Path("data", "splits", f"{DATASET}.parquet")
    pd.read_parquet(path).assign(person=None).to_parquet(path)
    assert failed(study) == []


@pytest.mark.parametrize("name", ["nearest_neighbour", "majority_class", "another"])
def test_promotion_compares_with_the_highest_baseline_on_val(study: Params, name: str) -> None:
    register(study)
    change(".baselines.json", lambda tree: tree["val"].update({name: 0.99}))
    assert failed(study) == ["baseline"]


def test_promotion_does_not_read_the_baselines_on_test(study: Params) -> None:
    register(study)
    change(".baselines.json", lambda tree: tree["split"].update(majority_class=0.99))
    assert failed(study) == []


def test_promotion_without_baselines_on_val_is_refused(study: Params) -> None:
    register(study)
    change(".baselines.json", lambda tree: tree.pop("val"))
    with pytest.raises(
        InputError, match="run stage baselines again: `dvc repro -f baselines@synthetic`"
    ):
        promote_study(study)


def test_promotion_stops_a_model_that_always_predicts_the_majority_class(study: Params) -> None:
    seed = register(study)["seed"]
    path = RUN / str(seed) / "val" / "predictions.parquet"
    said = pd.read_parquet(path)
    classes = list(said.columns.drop(["image_id", "face", "target"]))
    commonest = said["target"].mode()[0]
    said[classes] = [[float(name == commonest) for name in classes]] * len(said)
    said.to_parquet(path)
    share = float((said["target"] == commonest).mean())
    change(".baselines.json", lambda tree: tree.update(val={"majority_class": share, "n_val": 20}))
    assert failed(study) == ["baseline"]


def test_a_champion_whose_stored_value_was_rounded_is_equal_to_itself(study: Params) -> None:
    filed = register(study)
    now = SimpleNamespace(tags={"run_key": "other", "data_digest": "d", "val_accuracy": "0.333333"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filing, "champion", lambda name: now)
        value, comparable = filing._champion_value("accuracy", filed, faces=3)
    assert (value, comparable) == (1 / 3, True)


def test_registry_of_a_falling_metric_files_the_lowest_mean(study: Params) -> None:
    params = dataclasses.replace(study, promote=dataclasses.replace(study.promote, metric="brier"))
    table = study_results(params).query("subset == 'val' and metric == 'brier'")
    means = table.groupby("variant")["value"].mean()
    assert best_run(params, study_results(params), DATASET).cell.variant == means.idxmin()
    assert means.idxmin() != means.idxmax()


def test_a_class_that_is_never_found_shuts_the_gate(study: Params) -> None:
    filed = register(study)
    path = RUN / str(filed["seed"]) / "val" / "predictions.parquet"
    said = pd.read_parquet(path)
    said.loc[said["target"] == "anger", ["neutral", "happiness", "anger"]] = 0.0  # all missed
    said.to_parquet(path)
    strict = dataclasses.replace(study.promote, min_class_recall=0.01)
    assert failed(dataclasses.replace(study, promote=strict)) == ["recall"]


def _another_run(filed: dict[str, Any], **more: Any) -> None:
    """The same cell trained anew, with another key, registered as version 2."""
    path = RUN / str(filed["seed"]) / "run.json"
    write_json(path, read_json(path) | {"run_key": "another"} | more)


def test_an_equal_challenger_leaves_the_champion_in_place(study: Params) -> None:
    filed = register(study)
    assert failed(study) == []
    _another_run(filed)
    assert register(study)["version"] == "2"
    assert failed(study) == ["gain"]
    assert promote_study(study)[DATASET]["champion"] == "1"


def test_a_better_challenger_takes_over(study: Params) -> None:
    filed = register(study)
    assert failed(study) == []
    _another_run(filed)
    register(study)
    lenient = dataclasses.replace(study.promote, min_gain=-0.1)
    assert failed(dataclasses.replace(study, promote=lenient)) == []
    assert str(champion(f"ferbench_{DATASET}").version) == "2"  # type: ignore[union-attr]


def test_a_champion_of_other_data_is_not_compared(study: Params) -> None:
    filed = register(study)
    assert failed(study) == []
    _another_run(filed, data_digest="other")
    register(study)
    lenient = dataclasses.replace(study.promote, min_gain=-0.1)
    outcome = promote_study(dataclasses.replace(study, promote=lenient))[DATASET]
    assert "other images or another split" in outcome["gates"][-1]["reason"]
    assert not outcome["promoted"]
