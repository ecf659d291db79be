"""Registration and promotion of a fabricated study, and every promotion gate by itself."""

from __future__ import annotations

import dataclasses
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from tests.fabricated_study import fabricate, fabricate_reports

from ferbench.artifacts.runs import RunRecord
from ferbench.config.params import Params, Promote
from ferbench.errors import InputError
from ferbench.evaluation.scoreboard import score_study, write_scoreboard
from ferbench.files import read_json, write_json
from ferbench.tracking import promotion
from ferbench.tracking.promotion import (
    PromotionCandidate,
    as_rows,
    check_gates,
    promote_study,
    register_best,
)
from ferbench.tracking.registry import LoggedModel, champion, roll_back
from ferbench.tracking.reproduction import Reproduction
from ferbench.tracking.selection import SelectedRun, best_run, study_results
from ferbench.tracking.store import connect

DATASET = "synthetic"
RUN = Path("runs", "demo", "ivsa", DATASET)
REPRODUCED = Reproduction(faces=20, difference=1e-6, tolerance=1e-4)


@pytest.fixture(scope="module")
def fabricated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Params, Path]:
    """A scored study of which `ivsa` is the best, and its project's folder."""
    root = tmp_path_factory.mktemp("fabricated")
    params = fabricate(root)
    fabricate_reports(root, params)
    write_scoreboard(score_study(params, root), root / "reports" / "demo")
    return params, root


@pytest.fixture
def study(
    own_store: Path, fabricated: tuple[Params, Path], monkeypatch: pytest.MonkeyPatch
) -> Params:
    """The fabricated study in the current folder, with no model to log."""
    params, root = fabricated
    shutil.copytree(root, own_store.parent, dirs_exist_ok=True)
    for path in RUN.glob("*/run.json"):
        more = {"run_key": f"key {path.parent.name}", "data_digest": "d"}
        write_json(path, read_json(path) | more)
    write_split({"a": "train", "b": "val", "c": "test"})
    uri = Path().absolute().as_uri()

    def log(selected: SelectedRun, score_threshold: float) -> LoggedModel:
        record = RunRecord.read(selected.run.folder / "run.json")
        return LoggedModel(uri, record, f"# {record.variant} on {record.name}")

    monkeypatch.setattr(promotion, "log_selected", log)
    monkeypatch.setattr(promotion, "reproduce", lambda model, run, threshold: REPRODUCED)
    return dataclasses.replace(
        params, promote=dataclasses.replace(params.promote, min_class_recall=0.0)
    )


def write_split(splits: dict[str, str]) -> None:
    path = Path("data", "splits", f"{DATASET}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"image_id": list(splits), "split": list(splits.values())})
    frame.assign(person=[name[0] for name in splits]).to_parquet(path)


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
    registered = register_best(params)
    write_json(Path("reports", "demo", "registered.json"), registered)
    return dict(registered[DATASET])


def test_best_model_on_val_is_registered_once(study: Params) -> None:
    registered = register(study)
    assert registered == register(study)
    assert (registered["model"], registered["version"]) == (f"ferbench_{DATASET}", "1")
    assert registered["variant"] == "ivsa"
    assert registered["run_key"] == f"key {registered['seed']}"
    assert registered["card"].startswith("# ivsa on synthetic")


def test_registered_model_becomes_and_stays_champion(study: Params) -> None:
    register(study)
    for _ in range(2):  # it does not compete with itself
        assert failed(study) == []
        assert promote_study(study)[DATASET]["champion"] == "1"
    assert champion(f"ferbench_{DATASET}").tags["run_key"].startswith("key")  # type: ignore[union-attr]


def test_decision_and_its_reasons_are_tags_of_the_version(study: Params) -> None:
    register(study)
    change(".json", lambda tree: tree.update(passed=False))
    promote_study(study)
    version = connect().get_model_version(f"ferbench_{DATASET}", "1")
    assert version.tags["promotion"] == "refused"
    assert version.tags["promotion_reason"] == "data: the data set does not meet its expectations"


def test_unregistered_model_is_not_promoted(study: Params) -> None:
    with pytest.raises(InputError, match="no model of synthetic is registered"):
        promote_study(study)


def test_failed_expectation_of_the_data_fails_its_gate(study: Params) -> None:
    register(study)
    change(".json", lambda tree: tree.update(passed=False))
    assert failed(study) == ["data"]
    assert champion(f"ferbench_{DATASET}") is None


def test_person_in_two_splits_fails_the_gate(study: Params) -> None:
    register(study)
    write_split({"a1": "train", "a2": "test"})
    assert failed(study) == ["leaks"]
    write_split({"a1": "train", "a2": "train", "b": "test"})
    assert failed(study) == []


def test_unknown_persons_pass_the_gate(study: Params) -> None:
    register(study)
    path = Path("data", "splits", f"{DATASET}.parquet")
    pd.read_parquet(path).assign(person=None).to_parquet(path)
    assert failed(study) == []


@pytest.mark.parametrize("name", ["nearest_neighbour", "majority_class", "another"])
def test_promotion_compares_with_the_highest_baseline_on_val(study: Params, name: str) -> None:
    register(study)
    change(".baselines.json", lambda tree: tree["val"].update({name: 0.99}))
    assert failed(study) == ["baseline"]


def test_interval_over_all_seeds_must_be_above_the_baseline(study: Params) -> None:
    register(study)
    (gate,) = [g for g in promote_study(study)[DATASET]["gates"] if g["gate"] == "baseline"]
    accuracy, low = (
        float(re.search(rf"{word} ([0-9.]+)", gate["reason"])[1])  # type: ignore[index]
        for word in ("accuracy", "interval")
    )
    assert low < accuracy
    between = (low + accuracy) / 2
    change(".baselines.json", lambda tree: tree["val"].update(another=between))
    assert failed(study) == ["baseline"]


def test_promotion_does_not_read_the_baselines_on_test(study: Params) -> None:
    register(study)
    change(".baselines.json", lambda tree: tree["split"].update(majority_class=0.99))
    assert failed(study) == []


def test_promotion_without_baselines_on_val_is_refused(study: Params) -> None:
    register(study)
    change(".baselines.json", lambda tree: tree.update(val=None))
    with pytest.raises(InputError, match="run the stage again: `dvc repro -f baselines@synthetic`"):
        promote_study(study)


def test_model_that_predicts_the_majority_class_fails_the_gate(study: Params) -> None:
    seed = register(study)["seed"]
    path = RUN / str(seed) / "val" / "predictions.parquet"
    predictions = pd.read_parquet(path)
    classes = list(predictions.columns.drop(["image_id", "target"]))
    commonest = predictions["target"].mode()[0]
    predictions[classes] = [[float(name == commonest) for name in classes]] * len(predictions)
    predictions.to_parquet(path)
    share = float((predictions["target"] == commonest).mean())
    change(".baselines.json", lambda tree: tree.update(val={"majority_class": share, "n_val": 20}))
    assert failed(study) == ["baseline"]


def test_rounded_value_of_a_champion_is_made_exact(study: Params) -> None:
    registered = register(study)
    now = SimpleNamespace(tags={"run_key": "other", "data_digest": "d", "val_accuracy": "0.333333"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promotion, "champion", lambda name: now)
        value, comparable = promotion._champion_value("accuracy", registered, faces=3)
    assert (value, comparable) == (1 / 3, True)


def test_metric_where_lower_is_better_registers_the_lowest_mean(study: Params) -> None:
    params = dataclasses.replace(study, promote=dataclasses.replace(study.promote, metric="brier"))
    table = study_results(params).query("subset == 'val' and metric == 'brier'")
    means = table.groupby("variant")["value"].mean()
    assert best_run(params, study_results(params), DATASET).run.variant == means.idxmin()
    assert means.idxmin() != means.idxmax()


def test_class_that_is_never_predicted_fails_the_gate(study: Params) -> None:
    registered = register(study)
    path = RUN / str(registered["seed"]) / "val" / "predictions.parquet"
    predictions = pd.read_parquet(path)
    predictions.loc[predictions["target"] == "anger", ["neutral", "happiness", "anger"]] = 0.0
    predictions.to_parquet(path)
    change(".baselines.json", lambda tree: tree.update(val={"majority_class": 0.0}))
    strict = dataclasses.replace(study.promote, min_class_recall=0.01)
    assert failed(dataclasses.replace(study, promote=strict)) == ["recall"]


def _another_run(registered: dict[str, Any], **more: Any) -> None:
    """The same run trained again under another key, to be registered as version 2."""
    path = RUN / str(registered["seed"]) / "run.json"
    write_json(path, read_json(path) | {"run_key": "another", **more})


def test_equal_challenger_does_not_replace_the_champion(study: Params) -> None:
    registered = register(study)
    assert failed(study) == []
    _another_run(registered)
    assert register(study)["version"] == "2"
    assert failed(study) == ["gain"]
    assert promote_study(study)[DATASET]["champion"] == "1"


def test_better_challenger_replaces_the_champion(study: Params) -> None:
    registered = register(study)
    assert failed(study) == []
    _another_run(registered)
    register(study)
    lenient = dataclasses.replace(study.promote, min_gain=-0.1)
    assert failed(dataclasses.replace(study, promote=lenient)) == []
    assert str(champion(f"ferbench_{DATASET}").version) == "2"  # type: ignore[union-attr]


def _scores_on_val(change: float) -> None:
    """Change the accuracy on val of every run of `ivsa` in `results.csv`."""
    path = Path("reports", "demo", "results.csv")
    table = pd.read_csv(path)
    own = table["variant"].eq("ivsa") & table["subset"].eq("val") & table["metric"].eq("accuracy")
    table.loc[own, "value"] += change
    table.to_csv(path, index=False)


def test_life_of_a_champion(study: Params) -> None:
    """Champion, a worse challenger refused with reasons, a better one promoted, rolled back."""
    name = f"ferbench_{DATASET}"

    def decision(version: str) -> str:
        return str(connect().get_model_version(name, version).tags["promotion"])

    registered = register(study)
    assert failed(study) == []
    _another_run(registered)
    _scores_on_val(-0.02)
    worse = register(study)
    assert (worse["version"], failed(study)) == ("2", ["gain"])
    reason = connect().get_model_version(name, "2").tags["promotion_reason"]
    assert reason.startswith("gain: accuracy improves by -0.0")
    _another_run(registered, run_key="better")
    _scores_on_val(0.2)
    assert register(study)["version"] == "3"
    assert failed(study) == []
    assert str(champion(name).version) == "3"  # type: ignore[union-attr]
    assert [decision(version) for version in "123"] == ["promoted", "refused", "promoted"]
    assert roll_back(name) == ("3", "1")
    assert str(champion(name).version) == "1"  # type: ignore[union-attr]
    assert [decision(version) for version in "123"] == ["promoted", "refused", "rolled back"]


def test_champion_of_other_data_is_not_comparable(study: Params) -> None:
    registered = register(study)
    assert failed(study) == []
    _another_run(registered, data_digest="other")
    register(study)
    lenient = dataclasses.replace(study.promote, min_gain=-0.1)
    outcome = promote_study(dataclasses.replace(study, promote=lenient))[DATASET]
    assert "other images or another split" in outcome["gates"][-1]["reason"]
    assert not outcome["promoted"]


LIMITS = Promote(metric="accuracy", min_gain=0.01, min_class_recall=0.2)
GOOD = PromotionCandidate(
    value=0.6,
    higher_is_better=True,
    class_recall={"anger": 0.2, "neutral": 0.9},
    correct=60,
    faces=100,
    interval=(math.nan, math.nan),  # of one seed
    baseline="majority_class",
    baseline_accuracy=0.4,
    person_disjoint=True,
    data_passed=True,
    reproduction=REPRODUCED,
    champion=0.5,
    comparable=True,
)


def failed_gates(**changes: Any) -> list[str]:
    gates = check_gates(dataclasses.replace(GOOD, **changes), LIMITS)
    return [gate.name for gate in gates if not gate.passed]


def test_good_candidate_passes_every_gate() -> None:
    assert failed_gates() == []
    names = [gate.name for gate in check_gates(GOOD, LIMITS)]
    assert names == ["data", "leaks", "reproduction", "baseline", "recall", "gain"]


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"data_passed": False}, "data"),
        ({"person_disjoint": False}, "leaks"),
        ({"reproduction": Reproduction(20, 1e-3, 1e-4)}, "reproduction"),
        ({"reproduction": Reproduction(0, 0.0, 1e-4)}, "reproduction"),  # nothing was compared
        ({"baseline_accuracy": 0.6}, "baseline"),  # as good as the baseline is not enough
        ({"baseline_accuracy": 0.7}, "baseline"),
        ({"interval": (0.39, 0.8)}, "baseline"),  # the other seeds leave it in doubt
        ({"correct": 40}, "baseline"),
        ({"class_recall": {"anger": 0.19, "neutral": 1.0}}, "recall"),
        ({"champion": 0.6}, "gain"),
        ({"champion": 0.595}, "gain"),
        ({"comparable": False}, "gain"),
        ({"champion": float("nan")}, "gain"),
        ({"champion": 0.59}, "gain"),  # exactly min_gain; 0.6 - 0.59 is above 0.01 in floats
        ({"champion": 0.5, "higher_is_better": False}, "gain"),
    ],
)
def test_one_fault_fails_one_gate(changes: dict[str, Any], gate: str) -> None:
    assert failed_gates(**changes) == [gate]


@pytest.mark.parametrize(
    "changes",
    [
        {"baseline_accuracy": 0.599},
        {"interval": (0.41, 0.8)},
        {"correct": 41},
        {"value": 0.3, "champion": 0.4, "higher_is_better": False},
        {"class_recall": {"anger": 0.2}},
        {"champion": 0.589},
        {"champion": None},
        {"champion": None, "comparable": False},
    ],
)
def test_candidate_at_the_limit_passes(changes: dict[str, Any]) -> None:
    assert failed_gates(**changes) == []


def test_reasons_name_the_numbers() -> None:
    reasons = {row["gate"]: row["reason"] for row in as_rows(check_gates(GOOD, LIMITS))}
    assert reasons["baseline"] == (
        "accuracy 0.600 on val (60 of 100 faces) against 0.400 of the naive baseline majority_class"
    )
    assert reasons["recall"] == "lowest recall is 0.200, of anger; 0.200 is required"
    assert reasons["gain"] == (
        "accuracy improves by +0.100 on the champion's; more than +0.010 is required"
    )


@pytest.mark.parametrize("faces", [3, 7, 43, 246, 3549])
def test_candidate_equal_to_the_baseline_fails_the_gate(faces: int) -> None:
    for correct in range(faces):
        equal = {"correct": correct, "faces": faces, "baseline_accuracy": correct / faces}
        assert failed_gates(**equal) == ["baseline"]
        assert failed_gates(**equal | {"correct": correct + 1}) == []


def test_gain_of_a_falling_metric_is_positive_where_the_candidate_is_lower() -> None:
    lower = dataclasses.replace(GOOD, value=0.1, champion=0.3, higher_is_better=False)
    limits = dataclasses.replace(LIMITS, metric="ece")
    gate = check_gates(lower, limits)[-1]
    assert gate.passed
    assert gate.reason == "ece improves by +0.200 on the champion's; more than +0.010 is required"
