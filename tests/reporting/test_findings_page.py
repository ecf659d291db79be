"""The page of findings and the README's verdicts, made from `reports/claims.csv`."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

import pandas as pd
import pytest
from tests.claim_rows import claim_row
from tests.example_study import PROJECT

from ferbench.artifacts.claims import AGAINST_SENTENCE
from ferbench.errors import InputError
from ferbench.reporting.findings_page import (
    PAGE,
    README,
    FindingsPage,
    findings_of,
    write_findings,
)
from ferbench.reporting.judged_values import JudgedValue
from ferbench.reporting.learning_curves import learning_curves
from ferbench.reporting.numbers import points
from ferbench.reporting.settled import settle_claims

ROWS = [
    claim_row(),
    claim_row(protocol="stratified_70_10_20", direction="undecided", decided_by="9 seeds"),
    claim_row(claim="p1_cbam", direction="undecided", decided_by="40 seeds"),
    claim_row(claim="p2_cost", study="", direction="not tested"),
    claim_row(claim="p2_cost", study="", direction="not tested", variant_a="vgg_base"),
    claim_row(
        claim="p1_sab", study="", direction="not tested", source="lld", robustness="canvas:48"
    ),
]
ELSEWHERE = [claim_row(claim="p1_cbam", source="", printed=nan, direction="no difference")]
FOUND = FindingsPage(settle_claims(ROWS), ELSEWHERE, {"p1_sab": "SAB helps | a lot"}, [])


def lines(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_tally_counts_claims_and_comparisons() -> None:
    assert FOUND.tally == (
        "Of 5 claims: 1 contradicted, 1 undecided, 3 not tested. They were tested in "
        "4 comparisons, each of two networks on a data set and its split, of which 2 are decided."
    )


def test_page_has_every_comparison_with_interval_and_conditions() -> None:
    page = FOUND.page()
    first, second = lines(page, "ivsa over vgg_improved")[:2]
    assert "P1 T2: SAB helps \\| a lot" in first
    assert "| −4.4 | −7.5 to −1.2 | 5 | 981 of 118 persons | reduced | contradicted |" in first
    assert "stratified_70_10_20" in second
    assert lines(page, "40 seeds")
    pairs = "ivsa over vgg_improved, vgg_base over vgg_improved"
    assert f"| P1 T2: p2_cost | ckplus | {pairs} |" in page
    assert "| P1 T2: SAB helps \\| a lot | lld | ivsa over vgg_improved (canvas 48) |" in page
    assert page.index("## Contradicted") < page.index("## Undecided") < page.index("## Not tested")


def test_summary_has_decided_comparisons_alone() -> None:
    table = lines(FOUND.summary(), "ivsa over vgg_improved")
    assert [line.rsplit("|", 2)[1].strip() for line in table] == ["contradicted", "no difference"]
    assert "not the paper's data" in table[1]
    assert table[0].startswith("| P1 T2: SAB helps \\| a lot |")


def test_a_printed_difference_against_the_sentence_is_named() -> None:
    words = "the other way round"
    row = claim_row(conditions=f"one split for all seeds; {AGAINST_SENTENCE}")
    found = FindingsPage(settle_claims([row]), [], {}, [])
    assert words in found.summary()
    assert words in found.page()
    assert words not in FOUND.page()


def test_a_ratio_is_no_difference_in_points() -> None:
    ratio = claim_row(
        dataset="", protocol="", metric="gflops", printed=0.7, estimate=0.68, low=0.68,
        high=0.69, n_seeds=0, direction="confirmed",
    )  # fmt: skip
    page = FindingsPage(settle_claims([ratio]), [], {}, [])
    for text in (page.page(), page.summary()):
        assert "| x 0.70 | x 0.68 | 0.68 to 0.69 | \N{EN DASH} |" in text


def test_printed_values_are_counted_and_listed() -> None:
    value = JudgedValue(
        study="p1_t2", paper="P1", table="T2", row="IVSA", dataset="ckplus", kind="score",
        metric="accuracy", printed=0.9552, mean=0.98, low=0.96, high=0.99, n=5, difference=0.0248,
        difference_low=0.004, difference_high=0.0456, verdict="not reproduced", reason="",
    )  # fmt: skip
    found = FindingsPage([], [], {}, [], [value, replace(value, verdict="reproduced")])
    assert found.printed_tally.endswith("allow a verdict: 1 not reproduced, 1 reproduced.")
    assert found.printed_tally in found.summary()
    rows = lines(found.page(), "P1-T2: IVSA")
    assert len(rows) == 2
    assert "| 95.5 | 98.0 | 96.0 to 99.0 | 5 | +2.5 | +0.4 to +4.6 | not reproduced |" in rows[0]
    assert "## Printed values" not in FOUND.page()
    assert FOUND.printed_tally == ""


def test_studies_are_listed_with_their_late_gain() -> None:
    found = findings_of(PROJECT)
    (row,) = [one for one in found.page().splitlines() if one.startswith("| [claims_fer2013](")]
    table = pd.read_csv(PROJECT / "reports" / "claims_fer2013" / "plots" / "history.csv")
    gains = [curve.late_gain for curve in learning_curves(table)]
    assert f"| {points(max(gains))} |" in row


def test_readme_without_a_place_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / README).write_text("# A project", encoding="utf-8")
    with pytest.raises(InputError, match="no place for the verdicts"):
        write_findings(tmp_path)
    assert (tmp_path / README).read_text(encoding="utf-8") == "# A project"
    assert not (tmp_path / PAGE).exists()


def test_committed_page_and_readme_are_those_of_the_reports() -> None:
    found = findings_of(PROJECT)
    assert (PROJECT / PAGE).read_text(encoding="utf-8") == found.page()
    assert found.summary() in (PROJECT / README).read_text(encoding="utf-8")
