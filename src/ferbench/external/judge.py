"""The judgement of predictions that any code made: scores, leaks, baselines, tests, papers.

Scores come with the primary interval (`ferbench.stats.primary`). One run of a model has none, since
other trainings are unknown: its interval is about other test faces alone, and says so. Differences
are tested with Holm's correction over all pairs of the judgement.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import ferbench
from ferbench import plugins
from ferbench.artifacts.predictions import FACE_KEY, no_boxes
from ferbench.artifacts.replicates import (
    COLUMNS,
    REPLICATES,
    cluster_names,
    draw_clusters,
    kind_of,
)
from ferbench.artifacts.results import exceeds
from ferbench.confusions import SCORES
from ferbench.errors import InputError
from ferbench.evaluation.resampled_metrics import ResampledPredictions
from ferbench.evaluation.scoring import Predictions, confusion, metric_info, score_predictions
from ferbench.external.predictions import JudgedFile, JudgedRun
from ferbench.external.rivals import MISSED, Rivals, face_rows
from ferbench.external.truth import Truth
from ferbench.reporting.printed import SOURCES, PrintedValue, printed_values
from ferbench.stats.basis import basis_of
from ferbench.stats.evidence import EvidencePart, samples_of
from ferbench.stats.pair_tests import load_test
from ferbench.stats.primary import PrimaryEstimate, bounds_of, primary_score
from ferbench.stats.single_values import printed_test_variance, single_value_verdict

__all__ = ["METRICS", "TESTS", "judge"]

METRICS = (
    *("accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "kappa"),
    *("top2_accuracy", "auroc_macro", "ap_macro", "ece", "brier", "nll"),
)
# Resampling raises the calibration error, whose bins then hold copies: it has no interval of faces.
_NOT_RESAMPLED = ("ece",)
_COMPARED = ("accuracy", "f1_macro")
# The first that is defined decides; those of faces need no second seed.
TESTS = ("primary", "cluster_bootstrap", "mcnemar", "welch", "paired_t")
_DECIDING = TESTS[:2]
_ALPHA = 0.05
_QUANTILE = 0.975
_STUDY = "judged"
_PLURAL = {"person": "persons", "sequence": "sequences", "image": "images", "mixed": "clusters"}


def judge(
    truth: Truth, files: Sequence[JudgedFile], runs: Sequence[JudgedRun], rivals: Rivals
) -> dict[str, Any]:
    """Judge models.

    Args:
        truth: the data set.
        files: that the runs are from.
        runs: of all models, the first model being the one that others are compared with.
        rivals: runs of this project.

    Returns:
        What `judged.json` holds.

    Raises:
        InputError: two runs have one model and seed.
    """
    _refuse_equal(runs)
    models = list(dict.fromkeys(run.model for run in runs))
    part = _part(truth, runs, rivals)
    baselines = truth.baselines_of([run.seed for run in runs])
    rivals_paired = list(dict.fromkeys(rivals.paired))
    pairs = [(models[0], other) for other in models[1:]]
    pairs += [(rival, model) for model in models for rival in rivals_paired]
    leaked = None if truth.leaked is None else set(truth.leaked.index[truth.leaked])
    tested = pd.concat([run.table[FACE_KEY] for run in runs]).drop_duplicates()
    return {
        "ferbench": ferbench.__version__,
        "dataset": truth.dataset,
        "protocol": truth.protocol,
        "origin": truth.origin,
        "classes": truth.classes,
        "test": {
            "faces": len(tested),
            "images": int(tested["image_id"].nunique()),
            "leaked_faces": None if leaked is None else int(tested["image_id"].isin(leaked).sum()),
            "redrawn": truth.summary.redrawn,
        },
        "files": [
            asdict(file) | {"runs": [{"model": model, "seed": seed} for model, seed in file.runs]}
            for file in files
        ],
        "models": {
            model: _model(part, truth, [run for run in runs if run.model == model], leaked)
            for model in models
        },
        "baselines": baselines,
        "above_baselines": {
            model: _above(_estimate(part, "accuracy", model), baselines) for model in models
        },
        "rivals": [
            {"name": name, "paired": name in rivals_paired, **_plain(part, name)}
            for name in dict.fromkeys(n for t in rivals.results for n in t["variant"].unique())
        ],
        "rivals_left_out": rivals.notes,
        "comparisons": _comparisons(part, pairs),
        "papers": [row for model in models for row in _papers(part, truth, model)],
    }


def _refuse_equal(runs: Sequence[JudgedRun]) -> None:
    ordered = sorted(runs, key=lambda run: (run.model, run.seed))
    for one, other in pairwise(ordered):
        if (one.model, one.seed) == (other.model, other.seed):
            raise InputError(
                f"two files are of model {one.model} with seed {one.seed}",
                remedy="name the files by model and seed, such as resnet_seed3.csv, describe the "
                "names by --pattern, or add columns `model` and `seed`",
            )


def _part(truth: Truth, runs: Sequence[JudgedRun], rivals: Rivals) -> EvidencePart:
    """The evidence of judged runs and their rivals on test.

    Tests pair runs by seed. Seeds of different code have nothing to do with each other, so that the
    runs of a judged model are numbered from 0 by rising seed, unless a seed has its own test part.
    """
    runs = runs if truth.summary.redrawn else list(_numbered(runs))
    place = {"study": _STUDY, "dataset": truth.dataset, "protocol": truth.protocol}
    first = {run.model: min(r.seed for r in runs if r.model == run.model) for run in runs}
    faces = pd.concat(
        [
            *(
                face_rows(run.model, run.seed, run.table, best=run.seed == first[run.model])
                for run in runs
            ),
            *rivals.faces,
        ],
        ignore_index=True,
    )
    owners = truth.index.dropna(subset="image_id").drop_duplicates("image_id")
    owners = owners.set_index("image_id")[["person", "sequence"]]
    faces = faces.join(owners, on="image_id").assign(**place)
    rows = [
        {"variant": run.model, "seed": run.seed, "metric": metric, "value": value}
        for run in runs
        for metric, value in score_predictions(_predictions(run), METRICS).items()
    ]
    results = pd.concat([pd.DataFrame(rows), *rivals.results], ignore_index=True)
    return EvidencePart(
        place=place,
        results=results.assign(**place, subset="test"),
        faces=faces,
        test_share=truth.test_share,
        redrawn=truth.summary.redrawn,
        replicates=_replicates(faces, runs, place),
    )


def _numbered(runs: Sequence[JudgedRun]) -> Iterator[JudgedRun]:
    times: Counter[str] = Counter()
    for run in sorted(runs, key=lambda run: run.seed):
        yield replace(run, seed=times[run.model])
        times[run.model] += 1


def _predictions(run: JudgedRun) -> Predictions:
    classes = [name for name in run.table if name not in (*FACE_KEY, "target")]
    return Predictions(run.table, no_boxes(list(map(str, classes))), threshold=None)


def _replicates(
    faces: pd.DataFrame, runs: Sequence[JudgedRun], place: Mapping[str, str]
) -> pd.DataFrame:
    """Metrics of probabilities on resampled test faces; those of classes need none."""
    names = cluster_names(faces)
    of_image = names.groupby(level="image_id").first()
    draws = draw_clusters(names)
    about = {"subset": "test", "robustness": "", "condition": ""}
    size = {"clusters": len(draws.names), "faces": len(names), "cluster": kind_of(names)}
    tables = [pd.DataFrame(columns=COLUMNS)]
    for run in runs:
        resampled = ResampledPredictions.of(_predictions(run), of_image, draws)
        for metric in METRICS:
            known = metric in (*SCORES, *_NOT_RESAMPLED)
            values = None if known else resampled.metric(metric)
            if values is not None:
                run_of = {"variant": run.model, "seed": run.seed, "metric": metric}
                numbers = {"replicate": np.arange(1 + REPLICATES), "value": values}
                tables.append(pd.DataFrame({**place, **about, **run_of, **numbers, **size}))
    return pd.concat(tables[1:] or tables, ignore_index=True)


@dataclass(frozen=True)
class _Estimate:
    """A model's score with its interval, and what that is about."""

    primary: PrimaryEstimate
    low: float
    high: float
    basis: str

    def numbers(self) -> dict[str, Any]:
        return {
            "value": _number(self.primary.estimate),
            "low": _number(self.low),
            "high": _number(self.high),
            "std": _number(self.primary.spread),
            "seeds": self.primary.seeds,
            "basis": self.basis,
        }


def _number(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return None if math.isnan(value) else float(value)


def _estimate(part: EvidencePart, metric: str, variant: str) -> _Estimate | None:
    """A score with its primary interval; of one seed, with one about the test faces alone."""
    found = primary_score(part, metric, variant)
    if found is None or found.seeds == 0:
        return None
    clusters = f"{found.clusters} {_PLURAL[found.cluster]}" if found.cluster else ""
    if found.seeds > 1:
        of_faces = "" if found.seeds_only else f" and {clusters}"
        return _Estimate(found, found.low, found.high, f"{found.seeds} seeds{of_faces}")
    if math.isnan(found.v_test) or found.clusters < 2:
        return _Estimate(found, math.nan, math.nan, "one run")
    error, df = math.sqrt(found.v_test), found.clusters - 1
    if metric_info(metric).bounds == (0.0, 1.0):
        low, high = map(float, bounds_of(found.estimate, error, df, found.clusters))
    else:
        half = float(stats.t.ppf(_QUANTILE, df)) * error
        low, high = found.estimate - half, found.estimate + half
    return _Estimate(found, low, high, f"{clusters}, one run")


def _plain(part: EvidencePart, name: str) -> dict[str, Any]:
    """A rival's accuracy."""
    found = _estimate(part, "accuracy", name)
    return {} if found is None else found.numbers()


def _model(
    part: EvidencePart, truth: Truth, runs: Sequence[JudgedRun], leaked: set[str] | None
) -> dict[str, Any]:
    """All numbers of a model."""
    model = runs[0].model
    metrics = {name: _estimate(part, name, model) for name in METRICS}
    recalls = {name: _estimate(part, f"recall:{name}", model) for name in truth.classes}
    counts = sum(confusion(_predictions(run).prob, _predictions(run).target) for run in runs)
    return {
        "seeds": [run.seed for run in runs],
        "metrics": {
            name: {**found.numbers(), "lower_is_better": not metric_info(name).higher_is_better}
            for name, found in metrics.items()
            if found
        },
        "recall": {name: found.numbers() for name, found in recalls.items() if found},
        "parts": _parts(part, model, leaked),
        "confusion": {
            "targets": truth.classes,
            "predicted": [*truth.classes, MISSED],
            "counts": np.asarray(counts).tolist(),
        },
    }


def _parts(part: EvidencePart, model: str, leaked: set[str] | None) -> dict[str, Any] | None:
    """Accuracy and macro F1 on the leaked and the clean part of test; None if not known."""
    if leaked is None or part.faces is None:
        return None
    here = part.faces["image_id"].isin(leaked)
    found = {}
    for name, chosen in (("clean", ~here), ("leaked", here)):
        faces = part.faces[chosen & (part.faces["variant"] == model)]
        own = replace(part, faces=faces, replicates=None)
        scores = {} if faces.empty else {m: _estimate(own, m, model) for m in _COMPARED}
        found[name] = {
            "faces": len(faces.drop_duplicates(FACE_KEY)),
            **{metric: score.numbers() for metric, score in scores.items() if score},
        }
    return found


def _above(accuracy: _Estimate | None, baselines: Mapping[str, float]) -> str:
    """Whether a model is better than the best naive baseline: yes, on average, no, or unknown."""
    if accuracy is None or not baselines:
        return "unknown"
    best = max(baselines.values())
    if not math.isnan(accuracy.low) and exceeds(accuracy.low, best):
        return "yes"
    return "on average" if exceeds(accuracy.primary.estimate, best) else "no"


def _comparisons(part: EvidencePart, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """B minus A of every pair by every test; the correction is over the pairs of a test."""
    correct = plugins.load("ferbench.stats.corrections", "holm")
    rows: list[dict[str, Any]] = []
    for metric in _COMPARED:
        for name in TESTS:
            test = load_test(name)
            samples = samples_of(part, metric, test.kind)
            here = [] if samples is None else [p for p in pairs if set(p) <= set(samples.values)]
            if samples is None or not here:
                continue
            results = [test.run(*samples.of(a, b)) for a, b in here]
            corrected = correct([result.p_value for result in results])
            basis = basis_of(part, metric, test.kind)
            for (a, b), result, p in zip(here, results, corrected, strict=True):
                numbers: dict[str, Any] = {k: _number(v) for k, v in result._asdict().items()}
                numbers["n"] = result.n
                what = {"a": a, "b": b, "metric": metric, "test": name}
                rows.append({**what, **numbers, "p_corrected": _number(float(p)), "basis": basis})
    return [row | {"verdict": verdict} for row, verdict in zip(rows, _verdicts(rows), strict=True)]


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the first defined test of a pair and metric decides; empty for the other tests."""
    decided: set[tuple[str, ...]] = set()
    for row in rows:
        key = (row["a"], row["b"], row["metric"])
        if row["test"] not in _DECIDING or row["p_corrected"] is None or key in decided:
            yield ""
            continue
        decided.add(key)
        if row["p_corrected"] > _ALPHA:
            yield "not told apart"
        else:
            yield "b is higher" if row["estimate"] > 0 else "a is higher"


def _papers(part: EvidencePart, truth: Truth, model: str) -> Iterator[dict[str, Any]]:
    """What papers print of other models on the data set, beside this one."""
    comparable = [value for value in printed_values() if _is_comparable(value, truth)]
    metrics = dict.fromkeys(value.metric for value in comparable)
    estimates = {metric: _estimate(part, metric, model) for metric in metrics}
    own = part.results[(part.results["variant"] == model) & part.results["value"].notna()]
    by_metric = {str(metric): rows["value"].tolist() for metric, rows in own.groupby("metric")}
    for value in comparable:
        found = estimates[value.metric]
        if found is None:
            continue
        ours, printed = found.primary, value.value
        images = value.test_images or ours.faces
        theirs = printed_test_variance(
            min(max(printed, 0.0), 1.0), images, ours.estimate, ours.v_test, ours.faces
        )
        verdict = single_value_verdict(
            printed,
            by_metric[value.metric],
            ours.v_test,
            theirs,
            value.half_unit,
            clusters=ours.clusters,
            test_share=truth.test_share if truth.summary.redrawn else 0.0,
        )
        yield {
            "model": model,
            "paper": value.paper,
            "table": value.table,
            "row": value.row,
            "trained_on": value.trained_on,
            "metric": value.metric,
            "printed": printed,
            "test_images": value.test_images,
            "value": _number(ours.estimate),
            "difference": _number(ours.estimate - printed),
            "low": _number(verdict.low),
            "high": _number(verdict.high),
            "verdict": _told_apart(verdict.low, verdict.high),
        }


def _is_comparable(value: PrintedValue, truth: Truth) -> bool:
    return (
        SOURCES.get(value.dataset) == truth.dataset
        and value.kind == "score"
        and (value.metric in METRICS)
        and value.subset == "test"
        and value.robustness is None
        and not math.isnan(value.value)
    )


def _told_apart(low: float, high: float) -> str:
    if math.isnan(low):
        return "one run: no interval"
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "not told apart"
