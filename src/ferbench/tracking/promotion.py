"""Stages `register` and `promote`: register a study's best model, and make it champion.

A registered model must pass all promotion gates to get the alias `champion`. No gate reads a score
on test: candidate, naive baselines and current champion are compared by their scores on val.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.artifacts.baselines import baselines_of_seeds
from ferbench.artifacts.datasets import read_baselines, read_split_summary
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import FACE_KEY, predicted, read_boxes, read_predictions
from ferbench.artifacts.results import exact_share, exceeds
from ferbench.config.params import Params, Promote
from ferbench.config.runs import Run
from ferbench.errors import InputError
from ferbench.evaluation.scoring import Predictions, class_recall, higher_is_better
from ferbench.evaluation.selection import improvement
from ferbench.files import read_json
from ferbench.models.build import task_of
from ferbench.stats.evidence import EvidencePart
from ferbench.stats.primary import primary_score
from ferbench.tracking.registry import (
    champion,
    crown,
    log_selected,
    model_name,
    record_decision,
    register_version,
)
from ferbench.tracking.reproduction import Reproduction, reproduce
from ferbench.tracking.selection import SelectedRun, best_run, study_results
from ferbench.tracking.store import store_faults

__all__ = ["Gate", "PromotionCandidate", "as_rows", "check_gates", "promote_study", "register_best"]


@dataclass(frozen=True)
class PromotionCandidate:
    """A registered model as the promotion gates see it."""

    value: float  # its metric of promotion on val
    higher_is_better: bool  # direction of that metric
    class_recall: Mapping[str, float]  # recall of each class on val
    correct: int  # number of faces of val that it classifies correctly
    faces: int  # number of faces of val
    # Primary interval of its variant's accuracy on val over all seeds; NaN bounds with one seed
    interval: tuple[float, float]
    baseline: str  # name of the naive baseline with the highest accuracy on the same val
    baseline_accuracy: float  # its accuracy
    person_disjoint: bool  # whether no known person is in two splits
    data_passed: bool  # whether its data set met every expectation
    reproduction: Reproduction  # of its run's predictions on val by the registered model
    # The current champion's metric on val; None if there is no other champion
    champion: float | None
    comparable: bool  # whether the champion was measured on the same images and split


@dataclass(frozen=True)
class Gate:
    """The outcome of one gate."""

    name: str
    passed: bool
    reason: str


def check_gates(candidate: PromotionCandidate, limits: Promote) -> list[Gate]:
    """The outcome of every gate, in a fixed order."""
    verb = "meets" if candidate.data_passed else "does not meet"
    persons = "no person is" if candidate.person_disjoint else "the same person may be"
    worst = min(candidate.class_recall, key=lambda emotion: candidate.class_recall[emotion])
    recall, required = candidate.class_recall[worst], limits.min_class_recall
    return [
        Gate("data", candidate.data_passed, f"the data set {verb} its expectations"),
        Gate("leaks", candidate.person_disjoint, f"{persons} in two splits"),
        _reproduces(candidate.reproduction),
        _over_baseline(candidate),
        Gate(
            "recall",
            recall >= required,
            f"lowest recall is {recall:.3f}, of {worst}; {required:.3f} is required",
        ),
        _gain(candidate, limits),
    ]


def _reproduces(found: Reproduction) -> Gate:
    """Whether the registered model is the one that was evaluated."""
    return Gate(
        "reproduction",
        found.passed,
        f"the registered model differs from the evaluation by at most {found.difference:.2g} in "
        f"probability, on {found.faces} faces of val; {found.tolerance:g} is allowed",
    )


def _over_baseline(candidate: PromotionCandidate) -> Gate:
    """Whether the model, and its variant with the whole interval, is above the naive baseline."""
    accuracy, (low, high) = candidate.correct / candidate.faces, candidate.interval
    least = accuracy if isnan(low) else min(accuracy, low)
    text = f"accuracy {accuracy:.3f} on val ({candidate.correct} of {candidate.faces} faces)"
    if not isnan(low):
        text += f", over all seeds 95 % interval {low:.3f} to {high:.3f},"
    return Gate(
        "baseline",
        exceeds(least, candidate.baseline_accuracy),
        f"{text} against {candidate.baseline_accuracy:.3f} of the naive baseline "
        f"{candidate.baseline}",
    )


def _gain(candidate: PromotionCandidate, limits: Promote) -> Gate:
    if candidate.champion is None:
        return Gate("gain", True, "there is no other champion")
    if not candidate.comparable:
        reason = "the champion was measured on other images or another split; run it in this study"
        return Gate("gain", False, reason)
    gain = improvement(candidate.value, candidate.champion, candidate.higher_is_better)
    reason = (
        f"{limits.metric} improves by {gain:+.3f} on the champion's; more than "
        f"{limits.min_gain:+.3f} is required"
    )
    return Gate("gain", exceeds(gain, limits.min_gain), reason)


def as_rows(gates: list[Gate]) -> list[dict[str, Any]]:
    """Gates as plain rows for JSON."""
    return [{"gate": g.name, "passed": g.passed, "reason": g.reason} for g in gates]


def register_best(params: Params) -> dict[str, Any]:
    """Register the best model on val of each data set; the registrations by data set."""
    results = study_results(params)
    with store_faults():
        return {dataset: _register(params, results, dataset) for dataset in params.datasets}


def _register(params: Params, results: pd.DataFrame, dataset: str) -> dict[str, Any]:
    selected = best_run(params, results, dataset)
    logged = log_selected(selected, params.score.score_threshold)
    record = logged.record
    value = selected.val[params.promote.metric]
    names = ("study", "variant", "protocol", "seed", "data_digest", "commit")
    tags = {name: getattr(record, name) for name in names}
    tags[f"val_{params.promote.metric}"] = value
    name = model_name(dataset)
    version = register_version(name, logged.uri, record.run_key, logged.card, tags)
    return {
        "model": name,
        "version": version,
        "variant": selected.run.variant,
        "seed": selected.run.seed,
        "run_key": record.run_key,
        "data_digest": record.data_digest,
        "selected_by": f"val {params.promote.metric}",
        "value": value,
        "card": logged.card,
    }


def promote_study(params: Params) -> dict[str, Any]:
    """Promote each registered model of the study that passes all gates; outcomes by data set.

    Raises:
        InputError: a data set has no registered model.
    """
    path = Path("reports", params.study.name, "registered.json")
    registered = read_json(path) if path.is_file() else {}
    for dataset in params.datasets:
        if dataset not in registered:
            raise InputError(
                f"no model of {dataset} is registered",
                where=path,
                remedy="`dvc repro register` registers it",
            )
    results = study_results(params)
    with store_faults():
        return {name: _promote(params, results, name, registered[name]) for name in params.datasets}


def _promote(
    params: Params, results: pd.DataFrame, dataset: str, registered: dict[str, Any]
) -> dict[str, Any]:
    selected = best_run(params, results, dataset)
    gates = check_gates(_candidate(params, selected, dataset, registered), params.promote)
    passed = all(gate.passed for gate in gates)
    if passed:
        crown(registered["model"], registered["version"])
    now = champion(registered["model"])
    outcome = {
        "model": registered["model"],
        "version": registered["version"],
        "variant": registered["variant"],
        "promoted": passed,
        "champion": None if now is None else str(now.version),
        "gates": as_rows(gates),
    }
    record_decision(registered["model"], registered["version"], outcome)
    return outcome


def _candidate(
    params: Params, selected: SelectedRun, dataset: str, registered: dict[str, Any]
) -> PromotionCandidate:
    reports, metric = Path("reports", "data"), params.promote.metric
    predictions = _predictions(params, selected.run)
    paths = DatasetPaths(dataset)
    baseline, accuracy = _naive_baseline(paths, selected.run.seed)
    champion_value, comparable = _champion_value(metric, registered, faces=len(predictions.target))
    return PromotionCandidate(
        value=selected.val[metric],
        higher_is_better=higher_is_better(metric),
        class_recall=class_recall(predictions),
        correct=int((predicted(predictions.thresholded) == predictions.target).sum()),
        faces=len(predictions.target),
        interval=_interval_on_val(params, selected, paths),
        baseline=baseline,
        baseline_accuracy=accuracy,
        person_disjoint=_person_disjoint(paths.split),
        data_passed=bool(read_json(reports / f"{dataset}.json")["passed"]),
        reproduction=reproduce(
            f"models:/{registered['model']}/{registered['version']}",
            selected.run,
            params.score.score_threshold,
        ),
        champion=champion_value,
        comparable=comparable,
    )


def _person_disjoint(path: Path) -> bool:
    """Whether no known person is in two splits."""
    known = pd.read_parquet(path).dropna(subset=["person"])
    return bool((known.groupby("person")["split"].nunique() <= 1).all())


def _interval_on_val(
    params: Params, selected: SelectedRun, paths: DatasetPaths
) -> tuple[float, float]:
    """The primary interval of the selected variant's accuracy on val."""
    person = pd.read_parquet(paths.split).set_index("image_id")["person"]
    tables = []
    for seed in params.seeds:
        own = _predictions(params, replace(selected.run, seed=seed))
        correct = predicted(own.thresholded) == own.target
        tables.append(own.table[FACE_KEY].assign(seed=seed, correct=correct))
    faces = pd.concat(tables, ignore_index=True)
    faces = faces.assign(variant=selected.run.variant, person=faces["image_id"].map(person))
    summary = read_split_summary(paths)
    share = summary.images["val"] / summary.images["train"]
    part = EvidencePart({}, pd.DataFrame(), faces, share, summary.redrawn)
    found = primary_score(part, "accuracy", selected.run.variant)
    return (nan, nan) if found is None else (found.low, found.high)


def _predictions(params: Params, run: Run) -> Predictions:
    """Predictions on val at the score threshold of the metrics; a missed face is wrong."""
    detects = task_of(params.variants[run.variant]) == "detect"
    folder = run.folder / "val"
    return Predictions(
        read_predictions(folder / "predictions.parquet"),
        read_boxes(folder / "boxes.parquet"),
        params.score.score_threshold if detects else None,
    )


def _naive_baseline(paths: DatasetPaths, seed: int) -> tuple[str, float]:
    """Name and accuracy of the best naive baseline on the val of a seed.

    Raises:
        InputError: nothing was measured on val.
    """
    redrawn = read_split_summary(paths).redrawn
    on_val = baselines_of_seeds(read_baselines(paths), redrawn, [seed], "val")
    if not on_val:
        raise InputError(
            "has no naive baselines on val, which the promotion gate compares with",
            where=paths.baselines,
            remedy=f"run the stage again: `dvc repro -f baselines@{paths.key}`",
        )
    return max(on_val.items(), key=lambda item: item[1])


def _champion_value(
    metric: str, registered: dict[str, Any], faces: int
) -> tuple[float | None, bool]:
    """The champion's metric on val, and whether it was measured on the same images.

    None and True if there is no champion or it is this model. The tag of a version may hold the
    rounded value of `results.csv`, which the number of faces makes exact again.
    """
    now = champion(registered["model"])
    if now is None or now.tags.get("run_key") == registered["run_key"]:
        return None, True
    same = now.tags.get("data_digest") == registered["data_digest"]
    stored = float(now.tags.get(f"val_{metric}", "nan"))
    return float(exact_share(stored, faces)), same
