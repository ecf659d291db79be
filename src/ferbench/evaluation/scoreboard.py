"""A study's numbers: every cell and metric, as tables for `dvc metrics`, `dvc plots` and people."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferbench.evaluation.answers import MISSED, answer_table, labels
from ferbench.evaluation.classes import class_rows
from ferbench.evaluation.finished import SUBSETS, Finished, finished_cells
from ferbench.evaluation.leaks import Images, read_images
from ferbench.evaluation.noise import Noise, study_noise
from ferbench.evaluation.reliability import reliability
from ferbench.evaluation.scoring import ANY, Answers, score_answers
from ferbench.evaluation.selection import best_seeds, val_losses
from ferbench.evaluation.subsets import mean_name, probe_name, subsets_of
from ferbench.files import fresh_folder, whole_file, write_json
from ferbench.params import Params
from ferbench.results import DECIMALS

__all__ = ["Scoreboard", "score_study", "write_scoreboard"]

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
        answers: every test face of every cell, as `ferbench.evaluation.answers` has it, and `best`,
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
    for name, answers in subsets_of(finished, images, params.probes, threshold):
        here = {**place, "subset": name}
        values[name] = score_answers(answers, params.score.metrics)
        tables.classes.extend({**here, **numbers} for numbers in class_rows(answers))
        if name in SUBSETS:
            tables.confusion.extend({**here, **count} for count in _tally(answers))
        if name == "test":
            boxes = {**place, "subset": BOXES}
            tables.confusion.extend({**boxes, **count} for count in _box_tally(answers))
            bins = reliability(answers.raw, answers.target)
            tables.reliability.append(_placed(bins, place))
            whose = {"key": cell.dataset, **data, "variant": cell.variant, "seed": cell.seed}
            tables.answers.append(answer_table(answers, images, whose))
            tables.labels.setdefault(f"{cell.variant}.{cell.dataset}", []).append(labels(answers))
    values |= _probe_means(finished, params.probes, values)
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


def _tally(answers: Answers) -> Iterable[dict[str, Any]]:
    """A row for every pair of target and prediction, also those that never occur."""
    words = labels(answers)
    counts = Counter(zip(words["target"], words["predicted"], strict=True))
    for target, word in itertools.product(answers.classes, [*answers.classes, MISSED]):
        yield {"target": target, "predicted": word, "count": counts[target, word]}


def _box_tally(answers: Answers) -> Iterable[dict[str, Any]]:
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
