"""Every table and every printed value of the five papers has an answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from ferbench.config.params import Params
from ferbench.reporting.coverage import Answer, answers, load_studies, table_answers
from ferbench.reporting.printed import PrintedValue, printed_tables, printed_values

PROJECT = Path(__file__).parents[2]
# The 27 tables and figures, and the figures in P4's running text.
TABLES = [
    *(f"P0-T{n}" for n in range(1, 7)),
    *(f"P1-T{n}" for n in range(1, 4)),
    *(f"P2-T{n}" for n in range(1, 14)),
    *("P3-T1", "P3-T2", "P3-F3", "P3-F4"),
    *("P4-T1", "P4-text"),
]


@cache
def studies() -> tuple[Params, ...]:
    return tuple(load_studies(PROJECT))


@cache
def all_answers() -> tuple[Answer, ...]:
    return tuple(answers(studies()))


@pytest.mark.parametrize("table", TABLES)
def test_every_printed_value_of_a_table_has_an_answer(table: str) -> None:
    own = [answer for answer in all_answers() if answer.value.place == table]
    lonely = [(a.value.row, a.value.metric, a.value.text) for a in own if not a.by]
    assert lonely == []
    missing = {one.place: one.missing for one in printed_tables()}
    assert bool(own) != bool(missing[table])


def test_no_table_and_no_value_is_left_out() -> None:
    assert [table.place for table in printed_tables()] == TABLES
    assert len(TABLES) == 27 + 1

    def named(v: PrintedValue) -> tuple[str, ...]:
        return v.place, v.row, v.metric, v.text

    found = [named(answer.value) for answer in all_answers()]
    assert found == [named(value) for value in printed_values()]
    scores = [v for v in printed_values() if v.kind == "score" and v.place != "P3-F3"]
    pairs = [v for v in printed_values() if v.kind == "confusion" and v.place == "P2-T4"]
    assert len(scores) + len(pairs) == 451 + 1  # with P4's cross entropy


def test_what_no_study_answers_has_a_reason_in_the_paper() -> None:
    reasons = Counter(answer.by for answer in all_answers() if not answer.study)
    assert reasons == {
        "the paper's data set has no such class": 1,
        "time of a method of another work, shown as quoted": 2,
        "quoted from another work, whose model is not among ours; shown as quoted": 6,
    }


@pytest.mark.parametrize(
    ("place", "metric", "study", "words"),
    [
        ("P0-T5", "accuracy", "p0_t5", "on train"),
        ("P0-T6", "map50", "p0_t6", "on train"),
        ("P0-T3", "std:accuracy", "p0_t3", "deviation over seeds"),
        ("P2-T4", "confused:anger:disgust", "p2_t2", "confusion.csv, on test"),
        ("P2-T2", "params_m", "p2_t2", "params_deployed"),
        ("P2-T7", "fps", "p2_t5", "ratio to another model"),
        ("P2-T8", "fps", "p2_t8", "ratio to another model"),
        ("P2-T8", "gflops", "p2_t8", "variants/*.json"),
        ("P2-T13", "delta:ap50:anger", "p2_t2", "difference"),
        ("P3-F3", "face_detection", "p3_t2", "robustness"),
        ("P3-F4", "confused:anger:disgust", "p3_t2", "confusion.csv, on canvas mean"),
        ("P3-T1", "latency_ms", "p3_t1", "ratio"),
        ("P4-T1", "support:fear", "p4_t1", "support"),
        ("P4-text", "nll", "p4_t1", "results.csv"),
    ],
)
def test_a_value_is_answered_by_the_study_of_its_table(
    place: str, metric: str, study: str, words: str
) -> None:
    found = [a for a in all_answers() if (a.value.place, a.value.metric) == (place, metric)]
    assert found and {answer.study for answer in found} == {study}
    assert all(words in answer.by for answer in found)


def test_class_counts_are_answered_by_a_study_of_that_data_set() -> None:
    own = {a.value.dataset: a for a in all_answers() if a.value.metric == "count:anger"}
    assert {name: a.study for name, a in own.items()} == {"RAF-DB": "p2_t2", "LLD": "p2_t3"}
    assert {a.by for a in own.values()} == {"reports/data/*.json: emotions"}


def test_a_study_without_the_stage_leaves_its_values_unanswered() -> None:
    (params,) = [one for one in studies() if one.study.name == "p2_t8"]
    untimed = replace(params, latency={})
    lonely = {a.value.metric for a in answers([untimed]) if a.value.place == "P2-T8" and not a.by}
    assert lonely == {"fps"}
    (params,) = [one for one in studies() if one.study.name == "p0_t5"]
    untrained = replace(params, score=replace(params.score, train=False))
    assert not any(a.by for a in answers([untrained]) if a.value.place == "P0-T5")


def test_table_without_a_body_says_so() -> None:
    rows = {row.table.place: row for row in table_answers(studies())}
    assert list(rows) == TABLES
    assert (rows["P2-T6"].values, rows["P2-T6"].by) == (0, ("its body is missing in the text",))
    assert rows["P0-T1"].measured == rows["P0-T1"].values
    assert set(rows["P0-T1"].studies) == {"p0_t1", "p0_t1_rafdb"}
