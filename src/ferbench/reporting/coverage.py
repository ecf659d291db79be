"""Which study, metric and file answers every value that the papers print, or why none does.

Computed from the printed values and from what the studies would run, so it holds before a study has
been run; a study that loses a variant, a data set or a stage loses its answers with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferbench.config.catalogue import study_files
from ferbench.config.params import Params, load_params
from ferbench.reporting.measured import RATIOS
from ferbench.reporting.printed import (
    SOURCES,
    PrintedTable,
    PrintedValue,
    printed_tables,
    printed_values,
)

__all__ = ["Answer", "TableAnswer", "answers", "load_studies", "table_answers"]


@dataclass(frozen=True)
class Answer:
    """What answers one printed value.

    Args:
        value: the printed value.
        study: whose numbers answer it; empty if none does.
        by: the file of its report, and the metric in it; or the reason why there is no answer to
            give; empty if a value is unanswered, which a test forbids.
    """

    value: PrintedValue
    study: str
    by: str


@dataclass(frozen=True)
class TableAnswer:
    """What answers a whole table.

    Args:
        table: of the paper.
        values: number of its printed values.
        measured: number of those that a study answers.
        studies: that do.
        by: the different answers and reasons, in the order of the table.
    """

    table: PrintedTable
    values: int
    measured: int
    studies: tuple[str, ...]
    by: tuple[str, ...]


def load_studies(root: Path) -> list[Params]:
    """The studies of a project that answer a table, by name.

    Args:
        root: the project's folder.

    Raises:
        InputError: a study is faulty.
    """
    loaded = (load_params(path) for path in study_files(root / "studies"))
    return [params for params in loaded if params.study.paper_tables]


def answers(studies: Iterable[Params]) -> list[Answer]:
    """An answer for every printed value, in the papers' order.

    Of several studies that answer a value, one that is named after a table, with its paper's own
    recipe, comes first.

    Args:
        studies: that may answer tables.
    """
    known = sorted(studies, key=_rank)
    return [_answer(value, known) for value in printed_values()]


def table_answers(studies: Iterable[Params]) -> list[TableAnswer]:
    """The answers by table, those without values among them."""
    found = answers(studies)
    rows = []
    for table in printed_tables():
        own = [answer for answer in found if answer.value.place == table.place]
        names = dict.fromkeys(answer.study for answer in own if answer.study)
        texts = dict.fromkeys(answer.by for answer in own) or {table.missing: None}
        measured = sum(bool(answer.study) for answer in own)
        rows.append(TableAnswer(table, len(own), measured, tuple(names), tuple(texts)))
    return rows


def _rank(params: Params) -> tuple[bool, str]:
    """Studies named after a table, such as `p0_t2`, come before smaller ones."""
    paper, _, table = params.study.name.partition("_")
    return not (paper[:1] == "p" and table[:1] == "t"), params.study.name


def _answer(value: PrintedValue, studies: Sequence[Params]) -> Answer:
    if reason := _unanswerable(value):
        return Answer(value, "", reason)
    for params in studies:
        if value.place in params.study.paper_tables and (by := _by(value, params)):
            return Answer(value, params.study.name, by)
    if value.quoted:
        return Answer(value, "", "quoted from another work, shown as quoted")
    return Answer(value, "", "")


def _unanswerable(value: PrintedValue) -> str:
    """Why no study can answer a value; empty if one can."""
    if value.text == "/":
        return "the paper's data set has no such class"
    if value.model is None and value.metric in RATIOS:
        return "time of a method of another work, shown as quoted"
    if value.model is None and value.quoted:
        return "quoted from another work, whose model is not among ours; shown as quoted"
    return ""


def _by(value: PrintedValue, params: Params) -> str:
    """The file and metric of a study that answer a value; empty if it does not."""
    by_kind: dict[str, Callable[[PrintedValue, Params], str]] = {
        "score": _by_score,
        "confusion": _by_score,
        "spread": _by_score,
        "size": lambda v, p: _by_description(v, p, "params_deployed"),
        "cost": _by_cost,
        "count": _by_count,
        "delta": _by_delta,
        "test": _by_test,
        "range": _by_range,
    }
    return by_kind[value.kind](value, params)


def _tests(value: PrintedValue, params: Params) -> bool:
    """Whether a study tests on the value's data set."""
    source = SOURCES[value.dataset]
    return any(row.tested_on == source for row in params.datasets.values())


def _runs(value: PrintedValue, params: Params) -> bool:
    return value.model in params.variants and _tests(value, params)


def _by_score(value: PrintedValue, params: Params) -> str:
    kinds = {test.kind for test in params.robustness.values()}
    altered = value.robustness is None or value.robustness[0] in kinds
    if value.model is None:  # labels of curves that cannot be told apart
        shown = altered and _tests(value, params)
        text = "tables/robustness_*.csv: by size of the face; which curve is meant is not readable"
        return text if shown else ""
    if not (_runs(value, params) and altered):
        return ""
    if value.subset == "train" and not params.score.train:
        return ""
    name = {"confusion": "confusion.csv", "spread": "results.csv, deviation over seeds"}
    where = name.get(value.kind, "classes.csv" if ":" in value.metric else "results.csv")
    subset = value.subset if value.robustness is None else " ".join(value.robustness)
    return f"papers.csv from {where}, on {subset}"


def _by_description(value: PrintedValue, params: Params, key: str) -> str:
    return f"variants/*.json: {key}" if value.model in params.variants else ""


def _by_cost(value: PrintedValue, params: Params) -> str:
    if value.metric not in RATIOS:
        return _by_description(value, params, value.metric)
    timed = value.model in params.variants and params.latency
    return "stage latency, as ratio to another model of the table" if timed else ""


def _by_count(value: PrintedValue, params: Params) -> str:
    if not _tests(value, params):
        return ""
    if value.metric.startswith("count:"):
        return "reports/data/*.json: emotions"
    return "classes.csv: support" if value.model in params.variants else ""


def _by_delta(value: PrintedValue, params: Params) -> str:
    kinds = {test.kind for test in params.robustness.values()}
    altered = value.robustness is None or value.robustness[0] in kinds
    return "papers.csv, difference of two rows" if _runs(value, params) and altered else ""


def _by_test(value: PrintedValue, params: Params) -> str:
    named = "independent_t" in params.compare.tests
    return "comparisons.csv: independent_t" if _runs(value, params) and named else ""


def _by_range(value: PrintedValue, params: Params) -> str:
    """Of a range of settings, the study of its values that runs the setting."""
    part = {"activation": "relu6", "dilation": "d1", "lambda": "l15"}
    tried = f"yolo_fer_{part[value.metric.removeprefix('range:')]}" in params.variants
    return "a setting that was tried; the study runs all of the range" if tried else ""
