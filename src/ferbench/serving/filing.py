"""Stages `register` and `promote`: from a study's tables to a model on file, and to a champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.errors import InputError
from ferbench.evaluation.labels import predicted
from ferbench.evaluation.predictions import read_boxes, read_predictions
from ferbench.evaluation.scoring import Answers, class_recall, higher_is_better
from ferbench.files import read_json
from ferbench.models.build import task_of
from ferbench.models.weights import load_trained
from ferbench.params import Params
from ferbench.results import exact_share
from ferbench.serving.card import model_card
from ferbench.serving.gates import Candidate, as_rows, check_gates
from ferbench.serving.registry import (
    champion,
    crown,
    logged_model,
    model_name,
    register_version,
)
from ferbench.serving.standing import Standing, best_cell, study_results
from ferbench.training.store import store_faults

__all__ = ["promote_study", "register_study"]


def register_study(params: Params) -> dict[str, Any]:
    """File the best model, on val, of each data set of the study; what was filed, by data set."""
    results = study_results(params)
    with store_faults():
        return {dataset: _register(params, results, dataset) for dataset in params.datasets}


def _register(params: Params, results: pd.DataFrame, dataset: str) -> dict[str, Any]:
    standing = best_cell(params, results, dataset)
    run = read_json(standing.cell.folder / "run.json")
    data = read_json(Path("reports", "data", f"{dataset}.json"))
    uri = logged_model(params.study.name, run, load_trained(standing.cell.folder / "model.pt"))
    value = standing.val[params.promote.metric]
    tags = {k: run[k] for k in ("study", "variant", "protocol", "seed", "data_digest", "commit")}
    tags[f"val_{params.promote.metric}"] = value
    card = model_card(standing, run, data)
    name = model_name(dataset)
    version = register_version(name, uri, run["run_key"], card, tags)
    return {
        "model": name,
        "version": version,
        "variant": standing.cell.variant,
        "seed": standing.cell.seed,
        "run_key": run["run_key"],
        "data_digest": run["data_digest"],
        "selected_by": f"val {params.promote.metric}",
        "value": value,
        "card": card,
    }


def promote_study(params: Params) -> dict[str, Any]:
    """Let each registered model of the study try the gates; every gate's outcome, by data set.

    Raises:
        InputError: a data set's model was not registered.
    """
    path = Path("reports", params.study.name, "registered.json")
    filed = read_json(path) if path.is_file() else {}
    for dataset in params.datasets:
        if dataset not in filed:
            raise InputError(
                f"no model of {dataset} is registered", where=path, remedy="`dvc repro` registers"
            )
    results = study_results(params)
    with store_faults():
        return {name: _promote(params, results, name, filed[name]) for name in params.datasets}


def _promote(
    params: Params, results: pd.DataFrame, dataset: str, filed: dict[str, Any]
) -> dict[str, Any]:
    standing = best_cell(params, results, dataset)
    gates = check_gates(_candidate(params, standing, dataset, filed), params.promote)
    passed = all(gate.passed for gate in gates)
    if passed:
        crown(filed["model"], filed["version"])
    now = champion(filed["model"])
    return {
        "model": filed["model"],
        "version": filed["version"],
        "variant": filed["variant"],
        "promoted": passed,
        "champion": None if now is None else str(now.version),
        "gates": as_rows(gates),
    }


def _candidate(
    params: Params, standing: Standing, dataset: str, filed: dict[str, Any]
) -> Candidate:
    reports, metric = Path("reports", "data"), params.promote.metric
    answers = _answers(params, standing)
    baseline, accuracy = _naive_baseline(reports / f"{dataset}.floor.json")
    champion_value, comparable = _champion_value(metric, filed, faces=len(answers.target))
    return Candidate(
        value=standing.val[metric],
        higher_is_better=higher_is_better(metric),
        class_recall=class_recall(answers.predictions, answers.boxes, answers.threshold),
        correct=int((predicted(answers.sure) == answers.target).sum()),
        faces=len(answers.target),
        baseline=baseline,
        baseline_accuracy=accuracy,
        person_disjoint=_person_disjoint(Path("data", "splits", f"{dataset}.parquet")),
        data_passed=bool(read_json(reports / f"{dataset}.json")["passed"]),
        champion=champion_value,
        comparable=comparable,
    )


def _person_disjoint(path: Path) -> bool:
    """Whether no known person is on two sides of a split."""
    known = pd.read_parquet(path).dropna(subset=["person"])
    return bool((known.groupby("person")["split"].nunique() <= 1).all())


def _answers(params: Params, standing: Standing) -> Answers:
    """Predictions on val at the score threshold of accuracy; a missed face is wrong."""
    detects = task_of(params.variants[standing.cell.variant]) == "detect"
    folder = standing.cell.folder / "val"
    return Answers(
        read_predictions(folder / "predictions.parquet"),
        read_boxes(folder / "boxes.parquet"),
        params.score.score_threshold if detects else None,
    )


def _naive_baseline(path: Path) -> tuple[str, float]:
    """Name and accuracy on val of the best naive baseline.

    Raises:
        InputError: the file was written before baselines were measured on val.
    """
    on_val = read_json(path).get("val")
    if not on_val:
        raise InputError(
            "has no naive baselines on val, which the promotion gate compares with",
            where=path,
            remedy=f"run stage floor again: `dvc repro -f floor@{path.name.split('.')[0]}`",
        )
    names = [name for name in on_val if not name.startswith("n_")]
    best = max(names, key=lambda name: float(on_val[name]))
    return best, float(on_val[best])


def _champion_value(metric: str, filed: dict[str, Any], faces: int) -> tuple[float | None, bool]:
    """The champion's metric on val, and whether it was measured on the very same images.

    None and True if this is the champion itself, or there is none. Versions registered earlier
    carry the value as `results.csv` stores it, which the number of faces makes exact again.
    """
    now = champion(filed["model"])
    if now is None or now.tags.get("run_key") == filed["run_key"]:
        return None, True
    same = now.tags.get("data_digest") == filed["data_digest"]
    stored = float(now.tags.get(f"val_{metric}", "nan"))
    return float(exact_share(stored, faces)), same
