"""A network's numbers for each emotion by itself."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.results import DECIMALS
from ferbench.config.params import Params
from ferbench.evaluation.finished_runs import (
    SUBSETS,
    Finished,
    Images,
    finished_cells,
    mean_name,
    probe_name,
    read_images,
    subsets_of,
)
from ferbench.evaluation.label_noise import Noise, study_noise
from ferbench.evaluation.ranking import class_ap, class_auroc
from ferbench.evaluation.scoring import ANY, Predictions, confusion, predicted, score_predictions
from ferbench.evaluation.selection import best_seeds, val_losses
from ferbench.files import fresh_folder, whole_file, write_json

__all__ = [
    "BINS",
    "MISSED",
    "Scoreboard",
    "class_rows",
    "face_labels",
    "labels",
    "reliability",
    "score_study",
    "write_scoreboard",
]


def class_rows(answers: Predictions) -> Iterator[dict[str, Any]]:
    """Rows emotion, metric, value of one network on one subset.

    support counts faces. precision, recall and f1 are of the answers at the score threshold; a
    class that is never answered has precision 0. ap and auroc are of the probabilities, each class
    against the rest, without a threshold. Detectors have the average precision of their boxes at
    IoU 0.5, ap50, and precision_box, recall_box and f1_box where the mean F1 is best. What a class
    without faces does not define is NaN.
    """
    columns = _answered(confusion(answers.sure, answers.target))
    columns["ap"] = class_ap(answers.raw, answers.target)
    columns["auroc"] = class_auroc(answers.raw, answers.target)
    if (detections := answers.detections) is not None:
        columns["ap50"] = detections.average_precision[0]
        columns["precision_box"] = detections.best.precision
        columns["recall_box"] = detections.best.recall
        columns["f1_box"] = detections.best.f1
    for number, emotion in enumerate(answers.classes):
        for metric, values in columns.items():
            yield {"emotion": emotion, "metric": metric, "value": float(values[number])}


def _answered(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Support, precision, recall and F1 of each class, from counts (C, C + 1) with misses last."""
    right, support = np.diag(counts).astype(float), counts.sum(axis=1).astype(float)
    said = counts[:, :-1].sum(axis=0)
    present = support > 0
    precision = np.where(present, right / np.maximum(said, 1), np.nan)
    recall = np.where(present, right / np.maximum(support, 1), np.nan)
    f1 = np.where(present, 2 * right / np.maximum(support + said, 1), np.nan)
    return {"support": support, "precision": precision, "recall": recall, "f1": f1}


# MERGED from ferbench.evaluation.scoreboard:
# Face by face: what every network said of the test images, for comparisons that pair faces.


MISSED = "none"  # predicted label of a missed face


def labels(answers: Predictions) -> pd.DataFrame:
    """Target and predicted word of every face, at the score threshold."""
    words = np.array([*answers.classes, MISSED])
    return pd.DataFrame(
        {
            "target": answers.predictions["target"].to_numpy(),
            "predicted": words[predicted(answers.sure)],
        }
    )


def face_labels(answers: Predictions, images: Images, place: dict[str, Any]) -> pd.DataFrame:
    """Rows of `answers.parquet` of one cell, all but `best`.

    Args:
        answers: on test.
        images: of the data set.
        place: key, dataset, protocol, variant and seed.

    Returns:
        The place, then image_id (of the face, as in the predictions), person, leaked, target, said
        (`none` for a miss), correct, and prob, the probability of the target without a threshold.
        person and leaked are null where unknown.
    """
    unit = answers.predictions["image_id"]
    leaked = images.leaked_of(unit)
    word = labels(answers)
    return pd.DataFrame(
        {
            **place,
            "image_id": unit.to_numpy(),
            "person": pd.array(images.person_of(unit), dtype="string"),
            "leaked": pd.array([None] * len(unit) if leaked is None else leaked, dtype="boolean"),
            "target": word["target"],
            "said": word["predicted"],
            "correct": word["target"] == word["predicted"],
            "prob": answers.raw[np.arange(len(unit)), answers.target],
        }
    )


# MERGED from ferbench.evaluation.scoreboard:
# Whether a network is right as often as it says: confidence against accuracy, in bins.
#
# Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
# section 2: bins of equal width over the probability of the answer.


BINS = 15


def reliability(prob: NDArray[np.float64], target: NDArray[np.int64]) -> pd.DataFrame:
    """The bins that hold faces: bin, low, high, count, confidence, accuracy.

    Bin b, from 0, holds confidences in (b / 15, (b + 1) / 15], the first one also 0. `confidence`
    and `accuracy` are means over its faces. A miss is wrong with confidence 0.

    Args:
        prob: (N, C) probabilities; a row of zeros is a miss.
        target: (N,) indices of the true classes.

    >>> prob = np.array([[0.9, 0.1], [0.92, 0.08], [0.0, 0.0]])
    >>> reliability(prob, np.array([0, 1, 1]))[["bin", "count", "confidence", "accuracy"]]
       bin  count  confidence  accuracy
    0    0      1        0.00       0.0
    1   13      2        0.91       0.5
    """
    edges = np.linspace(0, 1, BINS + 1)
    confidence = prob.max(axis=1)
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    faces = pd.DataFrame(
        {"bin": number, "confidence": confidence, "accuracy": predicted(prob) == target}
    ).astype({"accuracy": float})
    grouped = faces.groupby("bin")
    table = grouped.mean().reset_index()
    table.insert(1, "low", edges[table["bin"]])
    table.insert(2, "high", edges[table["bin"] + 1])
    table.insert(3, "count", grouped.size().to_numpy())
    return table


# MERGED from ferbench.evaluation.scoreboard:
# A study's numbers: every cell and metric, as tables for `dvc metrics`, `dvc plots` and people.


# The subset under which `confusion.csv` counts all boxes on test, and its word for no face or box.
BOXES, BACKGROUND = "test_boxes", "background"


@dataclass(frozen=True)
class Scoreboard:
    """All tables of a study.

    Args:
        results: study, dataset, protocol, variant, seed, subset, metric, value.
        classes: the same with emotion before metric.
        confusion: study, dataset, protocol, variant, seed, subset, target, predicted, count; of
            faces, and as subset `test_boxes` of a detector's boxes.
        reliability: study, dataset, protocol, variant, seed, and the bins of the test answers.
        answers: every test face of every cell, as `ferbench.evaluation.scoreboard` has it, and `best`,
            whether the cell is its variant's best on val.
        noise: what the answers say of the labels.
        means: variant, data set key, metric: mean over seeds, on test.
        labels: by `<variant>.<key>`, target and predicted label of every test face of all seeds.
        history: variant, dataset, seed and the columns of the runs' `history.csv`.
    """

    results: pd.DataFrame
    classes: pd.DataFrame
    confusion: pd.DataFrame
    reliability: pd.DataFrame
    answers: pd.DataFrame
    noise: Noise
    means: dict[str, Any]
    labels: dict[str, pd.DataFrame]
    history: pd.DataFrame


@dataclass(frozen=True)
class _Tables:
    """What grows cell by cell."""

    results: list[dict[str, Any]] = field(default_factory=list)
    classes: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    reliability: list[pd.DataFrame] = field(default_factory=list)
    answers: list[pd.DataFrame] = field(default_factory=list)
    labels: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    history: list[pd.DataFrame] = field(default_factory=list)


def score_study(params: Params, root: Path) -> Scoreboard:
    """Score every cell that the study's tables name.

    Raises:
        InputError: a cell, the audit of a data set, or one of their files is absent or broken.
    """
    cells = finished_cells(params, root)
    images = {
        key: read_images(root, key, resplit=row.resplit) for key, row in params.datasets.items()
    }
    tables = _Tables()
    for finished in cells:
        _score_cell(tables, params, finished, images[finished.cell.dataset])
    results, answers = pd.DataFrame(tables.results), pd.concat(tables.answers, ignore_index=True)
    losses = val_losses(finished.run for finished in cells)
    best = best_seeds(results, (*params.compare.metrics, ANY), losses)
    place = answers[["dataset", "protocol", "variant", "seed"]].itertuples(index=False, name=None)
    return Scoreboard(
        results=results,
        classes=pd.DataFrame(tables.classes),
        confusion=pd.DataFrame(tables.confusion),
        reliability=pd.concat(tables.reliability, ignore_index=True),
        answers=answers.assign(best=[best.get(names[:3]) == names[3] for names in place]),
        noise=study_noise(params, cells),
        means=_means(results, params),
        labels={name: pd.concat(parts) for name, parts in tables.labels.items()},
        history=pd.concat(tables.history, ignore_index=True),
    )


def write_scoreboard(board: Scoreboard, folder: Path) -> None:
    """Write the tables into a study's report folder."""
    write_json(folder / "metrics.json", board.means)
    for name in ("results", "classes", "confusion", "reliability"):
        _write_csv(getattr(board, name), folder / f"{name}.csv")
    with whole_file(folder / "answers.parquet") as temporary:
        board.answers.to_parquet(temporary, index=False)
    _write_csv(board.noise.issues, folder / "label_issues.csv")
    write_json(folder / "label_noise.json", board.noise.summary)
    with fresh_folder(folder / "plots") as plots:
        _write_csv(board.history, plots / "history.csv")
        for name, table in board.labels.items():
            _write_csv(table, plots / "confusion" / f"{name}.csv")


def _score_cell(tables: _Tables, params: Params, finished: Finished, images: Images) -> None:
    row, cell = params.datasets[finished.cell.dataset], finished.cell
    data = {"dataset": row.name, "protocol": row.protocol}
    place = {"study": params.study.name, **data, "variant": cell.variant, "seed": cell.seed}
    values: dict[str, dict[str, float]] = {}
    threshold = params.score.score_threshold
    for name, answers in subsets_of(finished, images, params.robustness, threshold):
        here = {**place, "subset": name}
        values[name] = score_predictions(answers, params.score.metrics)
        tables.classes.extend({**here, **numbers} for numbers in class_rows(answers))
        if name in SUBSETS:
            tables.confusion.extend({**here, **count} for count in _tally(answers))
        if name == "test":
            boxes = {**place, "subset": BOXES}
            tables.confusion.extend({**boxes, **count} for count in _box_tally(answers))
            bins = reliability(answers.raw, answers.target)
            tables.reliability.append(_placed(bins, place))
            whose = {"key": cell.dataset, **data, "variant": cell.variant, "seed": cell.seed}
            tables.answers.append(face_labels(answers, images, whose))
            tables.labels.setdefault(f"{cell.variant}.{cell.dataset}", []).append(labels(answers))
    values |= _probe_means(finished, params.robustness, values)
    for name, numbers in values.items():
        here = {**place, "subset": name}
        tables.results.extend({**here, "metric": m, "value": v} for m, v in numbers.items())
    whose = {"variant": cell.variant, "dataset": cell.dataset, "seed": cell.seed}
    tables.history.append(_placed(finished.history(), whose))


def _probe_means(
    finished: Finished, probes: Iterable[str], values: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Each metric's mean over the conditions of a probe that has several."""
    means = {}
    for probe in probes:
        parts = [values[probe_name(probe, name)] for name in finished.conditions(probe)]
        if len(parts) > 1:
            means[mean_name(probe)] = {
                metric: sum(part[metric] for part in parts) / len(parts) for metric in parts[0]
            }
    return means


def _tally(answers: Predictions) -> Iterable[dict[str, Any]]:
    """A row for every pair of target and prediction, also those that never occur."""
    words = labels(answers)
    counts = Counter(zip(words["target"], words["predicted"], strict=True))
    for target, word in itertools.product(answers.classes, [*answers.classes, MISSED]):
        yield {"target": target, "predicted": word, "count": counts[target, word]}


def _box_tally(answers: Predictions) -> Iterable[dict[str, Any]]:
    """The same of a detector's boxes, where a face or a box without the other is background."""
    if answers.detections is None:
        return
    words = [*answers.classes, BACKGROUND]
    for (row, column), count in np.ndenumerate(answers.detections.confusion):
        yield {"target": words[row], "predicted": words[column], "count": int(count)}


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


def _placed(table: pd.DataFrame, place: dict[str, Any]) -> pd.DataFrame:
    """A table with the same first columns in every row."""
    first = pd.DataFrame({name: [value] * len(table) for name, value in place.items()})
    return pd.concat([first, table.reset_index(drop=True)], axis=1)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")
