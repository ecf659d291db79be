"""The claims of all studies in one table."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.claim_rows import claim_row
from tests.example_study import PROJECT

from ferbench.artifacts.claims import NOT_TESTED, read_claims, write_claims
from ferbench.config.claims import load_claims
from ferbench.reporting.all_claims import all_claims
from ferbench.reporting.index import write_index
from ferbench.reporting.withdrawn import Withdrawal, write_withdrawn

ROW = claim_row(source="fer2013")

STUDIES = ("one", "two")
CLAIMS = load_claims(PROJECT / "studies" / "catalogue" / "claims.yaml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the catalogue and two studies that have tested a claim."""
    shutil.copytree(PROJECT / "studies" / "catalogue", tmp_path / "studies" / "catalogue")
    for number, name in enumerate(STUDIES):
        row = replace(ROW, study=name, estimate=ROW.estimate + number / 1000)
        write_claims(tmp_path / "reports" / name / "claims.csv", [row])
    return tmp_path


def test_studies_come_first_and_untested_claims_last(root: Path) -> None:
    rows = all_claims(root, STUDIES)
    assert [row.study for row in rows[:2]] == ["one", "two"]
    untested = rows[2:]
    assert len(untested) == len(CLAIMS) - 1
    assert {row.direction for row in untested} == {NOT_TESTED}
    assert ROW.key not in {row.key for row in untested}


def test_another_data_set_does_not_test_a_claim(root: Path) -> None:
    for number, name in enumerate(STUDIES):
        row = replace(ROW, source="", n_seeds=3 + number)
        write_claims(root / "reports" / name / "claims.csv", [row])
    assert len(all_claims(root, STUDIES)) == 2 + len(CLAIMS)


def test_any_variant_tests_a_claim_about_protocols(root: Path) -> None:
    leak = replace(ROW, claim="field_leak", source="any", variant_b="ivsa")
    write_claims(root / "reports" / "one" / "claims.csv", [leak])
    claims = [row.claim for row in all_claims(root, STUDIES) if row.direction == NOT_TESTED]
    assert "field_leak" not in claims
    assert len(claims) == len(CLAIMS) - 2


def test_withdrawn_studies_are_left_out(root: Path) -> None:
    write_withdrawn(root / "reports", {"one": Withdrawal("0" * 40, "A defect.")})
    assert {row.study for row in all_claims(root, STUDIES)} == {"two", ""}


def test_a_study_that_is_not_asked_for_is_left_out(root: Path) -> None:
    assert {row.study for row in all_claims(root, ["two"])} == {"two", ""}
    assert {row.study for row in all_claims(root, ())} == {""}


def test_the_index_writes_the_table_of_published_studies_and_that_of_all(root: Path) -> None:
    write_index(root)
    assert len(read_claims(root / "reports" / "claims.csv")) == len(CLAIMS)
    for name in STUDIES:
        (root / "reports" / name / "index.html").write_text("a page", encoding="utf-8")
    write_index(root)
    assert len(read_claims(root / "reports" / "claims.csv")) == len(CLAIMS)
    assert len(read_claims(root / "reports" / "local_claims.csv")) == len(CLAIMS) + 1


def test_a_folder_without_catalogue_has_the_studies_alone(root: Path) -> None:
    shutil.rmtree(root / "studies")
    assert len(all_claims(root, STUDIES)) == 2


def test_a_study_of_one_seed_tests_nothing(root: Path) -> None:
    without = replace(ROW, study="one", low=math.nan, high=math.nan)
    write_claims(root / "reports" / "one" / "claims.csv", [without])
    assert {row.study for row in all_claims(root, STUDIES)} == {"two", ""}
    assert len(all_claims(root, ["one"])) == len(CLAIMS)


def test_trainings_that_two_studies_share_count_once_with_the_stricter_correction(
    root: Path,
) -> None:
    first = replace(ROW, study="one", p_value=0.01, p_corrected=0.04, direction="confirmed")
    second = replace(first, study="two", p_corrected=0.15, direction="undecided")
    ratio = replace(first, metric="fps", p_value=math.nan, p_corrected=math.nan)
    for order in ((first, second), (second, first)):
        for name, row in zip(STUDIES, order, strict=True):
            write_claims(root / "reports" / name / "claims.csv", [row, ratio])
        kept = [row for row in all_claims(root, STUDIES) if row.direction != NOT_TESTED]
        assert sorted((row.direction, row.metric) for row in kept) == [
            ("confirmed", "fps"),
            ("undecided", ROW.metric),
        ]
    other_recipe = replace(second, conditions="differs from the paper: 12 epochs instead of 500")
    write_claims(root / "reports" / "two" / "claims.csv", [other_recipe])
    write_claims(root / "reports" / "one" / "claims.csv", [first])
    assert {row.study for row in all_claims(root, STUDIES)} == {"one", "two", ""}
