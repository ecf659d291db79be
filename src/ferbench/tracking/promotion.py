"""Promotion gates: what a model must pass before it gets the alias `champion`.

No gate reads a score on test. The candidate, the naive baselines and the present champion are all
compared by their scores on val.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.artifacts.predictions import predicted, read_boxes, read_predictions
from ferbench.artifacts.results import exact_share, exceeds
from ferbench.config.params import Params, Promote
from ferbench.errors import InputError
from ferbench.evaluation.scoring import Predictions, class_recall, higher_is_better
from ferbench.evaluation.selection import improvement
from ferbench.files import read_json
from ferbench.models.build import task_of
from ferbench.models.weights import load_trained
from ferbench.tracking.registry import (
    champion,
    crown,
    logged_model,
    model_card,
    model_name,
    register_version,
)
from ferbench.tracking.selected import SelectedRun, best_run, study_results
from ferbench.tracking.store import store_faults

__all__ = ["Gate", "PromotionCandidate", "as_rows", "check_gates", "promote_study", "register_best"]


@dataclass(frozen=True)
class PromotionCandidate:
    """A registered model before the gates.

    Args:
        value: its metric of promotion on val.
        higher_is_better: the direction of that metric.
        class_recall: recall of each class on val.
        correct: number of faces of val that it recognises.
        faces: number of faces of val.
        baseline: name of the naive baseline with the highest accuracy on the same val.
        baseline_accuracy: its accuracy there.
        person_disjoint: whether its protocol keeps each person on one side, or the data set knows
            no persons and its authors split it.
        data_passed: whether its data set kept every promise.
        champion: the present champion's metric on val; None if there is no other champion.
        comparable: whether the champion was measured on the same images and split.
    """

    value: float
    higher_is_better: bool
    class_recall: Mapping[str, float]
    correct: int
    faces: int
    baseline: str
    baseline_accuracy: float
    person_disjoint: bool
    data_passed: bool
    champion: float | None
    comparable: bool


@dataclass(frozen=True)
class Gate:
    """The outcome of one gate."""

    name: str
    passed: bool
    reason: str


def check_gates(candidate: PromotionCandidate, limits: Promote) -> list[Gate]:
    """All gates, in a fixed order."""
    checks: list[Callable[[PromotionCandidate, Promote], Gate]] = [
        _data,
        _leaks,
        _baseline,
        _recall,
        _gain,
    ]
    return [check(candidate, limits) for check in checks]


def _data(candidate: PromotionCandidate, limits: Promote) -> Gate:
    del limits
    words = "kept" if candidate.data_passed else "broke"
    return Gate("data", candidate.data_passed, f"the data set {words} its promises")


def _leaks(candidate: PromotionCandidate, limits: Promote) -> Gate:
    del limits
    words = "no person is" if candidate.person_disjoint else "the same person may be"
    return Gate("leaks", candidate.person_disjoint, f"{words} on two sides of the split")


def _baseline(candidate: PromotionCandidate, limits: Promote) -> Gate:
    del limits
    accuracy = candidate.correct / candidate.faces
    reason = (
        f"accuracy {accuracy:.3f} on val ({candidate.correct} of {candidate.faces} faces) against "
        f"{candidate.baseline_accuracy:.3f} of the naive baseline {candidate.baseline}"
    )
    return Gate("baseline", exceeds(accuracy, candidate.baseline_accuracy), reason)


def _recall(candidate: PromotionCandidate, limits: Promote) -> Gate:
    worst = min(candidate.class_recall, key=lambda emotion: candidate.class_recall[emotion])
    value = candidate.class_recall[worst]
    reason = f"lowest recall is {value:.3f}, of {worst}; {limits.min_class_recall:.3f} is asked"
    return Gate("recall", value >= limits.min_class_recall, reason)


def _gain(candidate: PromotionCandidate, limits: Promote) -> Gate:
    if candidate.champion is None:
        return Gate("gain", True, "there is no other champion")
    if not candidate.comparable:
        reason = "the champion was measured on other images or another split: run it in this study"
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


# MERGED from ferbench.tracking.promotion:
# Stages `register` and `promote`: from a study's tables to a model on file, and to a champion.


def register_best(params: Params) -> dict[str, Any]:
    """File the best model, on val, of each data set of the study; what was filed, by data set."""
    results = study_results(params)
    with store_faults():
        return {dataset: _register(params, results, dataset) for dataset in params.datasets}


def _register(params: Params, results: pd.DataFrame, dataset: str) -> dict[str, Any]:
    standing = best_run(params, results, dataset)
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
    standing = best_run(params, results, dataset)
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
    params: Params, standing: SelectedRun, dataset: str, filed: dict[str, Any]
) -> PromotionCandidate:
    reports, metric = Path("reports", "data"), params.promote.metric
    answers = _answers(params, standing)
    baseline, accuracy = _naive_baseline(reports / f"{dataset}.baselines.json")
    champion_value, comparable = _champion_value(metric, filed, faces=len(answers.target))
    return PromotionCandidate(
        value=standing.val[metric],
        higher_is_better=higher_is_better(metric),
        class_recall=class_recall(answers),
        correct=int((predicted(answers.thresholded) == answers.target).sum()),
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


def _answers(params: Params, standing: SelectedRun) -> Predictions:
    """Predictions on val at the score threshold of accuracy; a missed face is wrong."""
    detects = task_of(params.variants[standing.cell.variant]) == "detect"
    folder = standing.cell.folder / "val"
    return Predictions(
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
            remedy=f"run stage baselines again: `dvc repro -f baselines@{path.name.split('.')[0]}`",
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
