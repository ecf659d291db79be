"""A study's scores: every run, subset and metric, as tables for `dvc metrics` and people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import FACE_KEY, predicted
from ferbench.artifacts.replicates import write_replicates
from ferbench.artifacts.results import COLUMNS, DECIMALS
from ferbench.config.claims import Claim
from ferbench.config.params import Params
from ferbench.evaluation.finished_runs import (
    MEAN,
    PLAIN,
    SPLITS,
    FinishedRun,
    Images,
    all_test_faces,
    finished_runs,
    read_images,
    subset_name,
    subsets_of,
)
from ferbench.evaluation.label_noise import Noise, study_noise
from ferbench.evaluation.metrics.probability import class_ap, class_auroc, reliability
from ferbench.evaluation.replicates import StudyReplicates
from ferbench.evaluation.scoring import ANY, Predictions, confusion, score_predictions
from ferbench.evaluation.selection import best_seeds, val_losses
from ferbench.files import fresh_folder, whole_file, write_json

__all__ = ["MISSED", "Scoreboard", "class_rows", "score_study", "write_scoreboard"]

MISSED = "none"  # predicted class of a missed face
# The subset under which `confusion.csv` counts all boxes on test, and its word for no face or box.
_BOXES, _BACKGROUND = "test_boxes", "background"
# Subset, robustness test and its condition, and values by metric.
_Score = tuple[str, str, str, dict[str, float]]


@dataclass(frozen=True)
class Scoreboard:
    """All tables of a study.

    Args:
        results: the columns of `ferbench.artifacts.results`.
        classes: study, dataset, protocol, variant, seed, subset, emotion, metric, value.
        confusion: study, dataset, protocol, variant, seed, subset, target, predicted, count; of
            faces, and as subset `test_boxes` of a detector's boxes.
        reliability: study, dataset, protocol, variant, seed, and the bins of the test predictions.
        faces: every test face of every run: key, dataset, protocol, variant, seed, image_id, face,
            person, sequence, leaked (null where unknown), target, predicted (`none` for a miss) and
            correct at the score threshold, prob (of the target, without a threshold), and best,
            whether the run is its variant's best on val.
        replicates: the columns of `ferbench.artifacts.replicates`.
        noise: labels that the predictions contradict.
        means: variant, data set key, metric: mean over seeds, on test.
        history: variant, dataset, seed and the columns of the runs' `history.csv`.
    """

    results: pd.DataFrame
    classes: pd.DataFrame
    confusion: pd.DataFrame
    reliability: pd.DataFrame
    faces: pd.DataFrame
    replicates: pd.DataFrame
    noise: Noise
    means: dict[str, Any]
    history: pd.DataFrame


@dataclass(frozen=True)
class _Tables:
    """Rows that are collected run by run."""

    replicates: StudyReplicates
    results: list[dict[str, Any]] = field(default_factory=list)
    classes: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    reliability: list[pd.DataFrame] = field(default_factory=list)
    faces: list[pd.DataFrame] = field(default_factory=list)
    history: list[pd.DataFrame] = field(default_factory=list)
    predictions: dict[tuple[str, str], list[pd.DataFrame]] = field(default_factory=dict)


def score_study(params: Params, root: Path, claims: Sequence[Claim] = ()) -> Scoreboard:
    """Score every run that the study's tables name.

    Args:
        params: the active study.
        root: the project's folder.
        claims: whose metrics are resampled, as far as the study tests them.

    Raises:
        InputError: a run, the audit of a data set, or one of their files is absent or broken.
    """
    runs = finished_runs(params, root)
    images = {key: read_images(root, key) for key in params.datasets}
    redrawn = {key for key, known in images.items() if known.leaked is None}
    tables = _Tables(_drawn(StudyReplicates(params, claims), params, runs, images))
    for finished in runs:
        _score_run(tables, params, finished, images[finished.run.dataset])
    results = pd.DataFrame(tables.results, columns=COLUMNS)
    faces = pd.concat(tables.faces, ignore_index=True)
    losses = val_losses(finished.record for finished in runs)
    best = best_seeds(results, (*params.compare.metrics, ANY), losses)
    place = faces[["dataset", "protocol", "variant", "seed"]].itertuples(index=False, name=None)
    return Scoreboard(
        results=results,
        classes=pd.DataFrame(tables.classes),
        confusion=pd.DataFrame(tables.confusion),
        reliability=pd.concat(tables.reliability, ignore_index=True),
        faces=faces.assign(best=[best.get(names[:3]) == names[3] for names in place]),
        replicates=tables.replicates.table(),
        noise=study_noise(params, tables.predictions, redrawn),
        means=_means(results, params),
        history=pd.concat(tables.history, ignore_index=True),
    )


def write_scoreboard(board: Scoreboard, folder: Path) -> None:
    """Write the tables into a study's report folder."""
    write_json(folder / "metrics.json", board.means)
    for name in ("results", "classes", "confusion", "reliability"):
        _write_csv(getattr(board, name), folder / f"{name}.csv")
    with whole_file(folder / "faces.parquet") as temporary:
        board.faces.to_parquet(temporary, index=False)
    write_replicates(folder / "replicates.parquet", board.replicates)
    _write_csv(board.noise.issues, folder / "label_issues.csv")
    write_json(folder / "label_noise.json", board.noise.summary)
    with fresh_folder(folder / "plots") as plots:
        _write_csv(board.history, plots / "history.csv")
        for (variant, key), rows in board.faces.groupby(["variant", "key"], sort=False):
            path = plots / "confusion" / f"{variant}.{key}.csv"
            _write_csv(rows[["target", "predicted"]], path)


def _drawn(
    replicates: StudyReplicates,
    params: Params,
    runs: Sequence[FinishedRun],
    images: Mapping[str, Images],
) -> StudyReplicates:
    """The collector of replicates, with the clusters of every data set drawn if they are needed."""
    for key, row in params.datasets.items() if replicates.are_wanted else ():
        own = [finished for finished in runs if finished.run.dataset == key]
        faces = all_test_faces(own, images[key])
        replicates.draw(key, (row.name, row.protocol), faces)
    return replicates


def _score_run(tables: _Tables, params: Params, finished: FinishedRun, images: Images) -> None:
    run, row = finished.run, params.datasets[finished.run.dataset]
    data = {"dataset": row.name, "protocol": row.protocol}
    place = {"study": params.study.name, **data, "variant": run.variant, "seed": run.seed}
    scores: list[_Score] = []
    threshold = params.score.score_threshold
    tests, train = params.robustness, params.score.train
    for subset in subsets_of(finished, images, tests, threshold, train=train):
        here, predictions = {**place, "subset": subset.name}, subset.predictions
        values = score_predictions(predictions, params.score.metrics)
        scores.append((subset.name, subset.robustness, subset.condition, values))
        whose = {**data, "variant": run.variant, "seed": run.seed}
        tables.replicates.add(run.dataset, whose, subset)
        tables.classes.extend({**here, **numbers} for numbers in class_rows(predictions))
        if subset.name in SPLITS:
            own = tables.predictions.setdefault((run.dataset, subset.name), [])
            own.append(predictions.table)
        if subset.name in SPLITS or subset.robustness:
            counts = confusion(predictions.thresholded, predictions.target)
            tables.confusion.extend(_counts(here, counts, predictions.classes, MISSED))
        if subset.name == "test":
            if predictions.detections is not None:
                here, counts = {**place, "subset": _BOXES}, predictions.detections.confusion
                tables.confusion.extend(_counts(here, counts, predictions.classes, _BACKGROUND))
            bins = reliability(predictions.prob, predictions.target)
            tables.reliability.append(_placed(bins, place))
            faces = _placed(_face_rows(predictions, images), {"key": run.dataset, **whose})
            tables.faces.append(faces)
    for name, robustness, condition, values in (*scores, *_robustness_means(scores)):
        named = {"robustness": robustness, "condition": condition}
        tables.results.extend(
            {**place, "subset": name, "metric": metric, "value": value, **named}
            for metric, value in values.items()
        )
    whose = {"variant": run.variant, "dataset": run.dataset, "seed": run.seed}
    tables.history.append(_placed(finished.history(), whose))


def _robustness_means(scores: Iterable[_Score]) -> Iterator[_Score]:
    """Each metric's mean over the conditions of a robustness test that has several."""
    tests: dict[str, list[dict[str, float]]] = {}
    for _, test, condition, values in scores:
        if test and condition != PLAIN:
            tests.setdefault(test, []).append(values)
    for test, parts in tests.items():
        if len(parts) > 1:
            means = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
            yield subset_name(test, MEAN), test, MEAN, means


def _counts(
    place: Mapping[str, Any], counts: NDArray[np.int64], classes: Sequence[str], other: str
) -> Iterator[dict[str, Any]]:
    """A row for every pair of target and prediction, also those that never occur."""
    words = [*classes, other]
    for (target, label), count in np.ndenumerate(counts):
        pair = {"target": words[target], "predicted": words[label]}
        yield {**place, **pair, "count": int(count)}


def _face_rows(predictions: Predictions, images: Images) -> pd.DataFrame:
    """The columns of `faces.parquet` that a run's test predictions give, face by face."""
    table, target = predictions.table, predictions.target
    leaked = images.leaked_of(table)
    label = np.array([*predictions.classes, MISSED])[predicted(predictions.thresholded)]
    return table[FACE_KEY].assign(
        **images.owners(table["image_id"]),
        leaked=pd.array([None] * len(table) if leaked is None else leaked, dtype="boolean"),
        target=table["target"],
        predicted=label,
        correct=table["target"] == label,
        prob=predictions.prob[np.arange(len(table)), target],
    )


def class_rows(predictions: Predictions) -> Iterator[dict[str, Any]]:
    """Rows emotion, metric, value of one network on one subset.

    support counts faces. precision, recall and f1 are at the score threshold; a class that is never
    predicted has precision 0. ap and auroc are of the probabilities, each class against the rest,
    without a threshold. Detectors have the average precision of their boxes at IoU 0.5, ap50, and
    precision_box, recall_box and f1_box where the mean F1 is best. What a class without faces does
    not define is NaN.
    """
    counts = confusion(predictions.thresholded, predictions.target)
    right, support = np.diag(counts).astype(float), counts.sum(axis=1).astype(float)
    given, present = counts[:, :-1].sum(axis=0), support > 0
    columns = {
        "support": support,
        "precision": np.where(present, right / np.maximum(given, 1), np.nan),
        "recall": np.where(present, right / np.maximum(support, 1), np.nan),
        "f1": np.where(present, 2 * right / np.maximum(support + given, 1), np.nan),
        "ap": class_ap(predictions.prob, predictions.target),
        "auroc": class_auroc(predictions.prob, predictions.target),
    }
    if (detections := predictions.detections) is not None:
        columns["ap50"] = detections.average_precision[0]
        columns["precision_box"] = detections.best.precision
        columns["recall_box"] = detections.best.recall
        columns["f1_box"] = detections.best.f1
    for number, emotion in enumerate(predictions.classes):
        for metric, values in columns.items():
            yield {"emotion": emotion, "metric": metric, "value": float(values[number])}


def _means(results: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Mean over seeds of each test metric that is defined, nested for `dvc metrics show`."""
    tested = results[(results["subset"] == "test") & results["value"].notna()]
    tree: dict[str, Any] = {}
    for key, row in params.datasets.items():
        here = tested[(tested["dataset"] == row.name) & (tested["protocol"] == row.protocol)]
        mean = here.groupby(["variant", "metric"], sort=False, as_index=False)["value"].mean()
        for variant, metric, value in mean.itertuples(index=False):
            tree.setdefault(variant, {}).setdefault(key, {})[metric] = round(value, 6)
    return tree


def _placed(table: pd.DataFrame, place: Mapping[str, Any]) -> pd.DataFrame:
    """A table with the same first columns in every row."""
    first = pd.DataFrame({name: [value] * len(table) for name, value in place.items()})
    return pd.concat([first, table.reset_index(drop=True)], axis=1)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")
