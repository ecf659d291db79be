"""Printed values with a verdict about their reproduction, read from the studies' `papers.csv`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ferbench.errors import InputError
from ferbench.reporting.judged_values import judged_values
from ferbench.reporting.papers import COLUMNS

SCORE = {
    "paper": "P1", "table": "T2", "row": "IVSA", "dataset": "ckplus", "kind": "score",
    "metric": "accuracy", "printed": 0.9552, "mean": 0.98, "low": 0.961, "high": 0.99, "n": 5,
    "difference": 0.0248, "difference_low": 0.004, "difference_high": 0.0456,
    "verdict": "not reproduced",
    "reason": "981 images instead of 593; differs from the paper: SAB; not stated by the paper: lr",
}  # fmt: skip
SIZE = {
    **SCORE, "row": "YOLO12n", "kind": "size", "metric": "params_m", "printed": 2.5, "mean": 2.51,
    "low": None, "high": None, "difference": 0.01, "verdict": "reproduced", "reason": None,
}  # fmt: skip


def write(reports: Path, study: str, *rows: dict[str, object]) -> None:
    (reports / study).mkdir()
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.to_csv(reports / study / "papers.csv", index=False)


def test_values_with_a_verdict_come_in_its_order(tmp_path: Path) -> None:
    absent = {**SCORE, "verdict": "not measured"}
    write(tmp_path, "a", SCORE, absent, {**SCORE, "verdict": "not comparable"})
    write(tmp_path, "b", {**SCORE, "verdict": "undecided"}, SIZE)
    write(tmp_path, "none")
    found = judged_values(tmp_path, ["none", "b", "a", "not_here"])
    assert [(value.study, value.verdict) for value in found] == [
        ("b", "reproduced"),
        ("a", "not reproduced"),
        ("b", "undecided"),
    ]


def test_only_studies_that_count_are_read(tmp_path: Path) -> None:
    write(tmp_path, "a", SCORE)
    assert judged_values(tmp_path, []) == []


def test_a_score_is_written_in_per_cent_with_interval_and_conditions(tmp_path: Path) -> None:
    write(tmp_path, "a", SCORE)
    (value,) = judged_values(tmp_path, ["a"])
    assert value.cells == [
        "P1-T2: IVSA", "accuracy", "ckplus", "95.5", "98.0", "96.1 to 99.0", "5",
        "+2.5", "+0.4 to +4.6", "not reproduced",
        "981 images instead of 593; differs from the paper: SAB",
    ]  # fmt: skip


def test_a_size_has_neither_seeds_nor_interval(tmp_path: Path) -> None:
    write(tmp_path, "a", SIZE)
    (value,) = judged_values(tmp_path, ["a"])
    dash = "\N{EN DASH}"
    assert value.cells == [
        "P1-T2: YOLO12n", "params m", dash, "2.50", "2.51", dash, dash, "0.01", dash,
        "reproduced", dash,
    ]  # fmt: skip


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "papers.csv").write_text("paper,verdict\nP1,reproduced\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no column table"):
        judged_values(tmp_path, ["a"])
