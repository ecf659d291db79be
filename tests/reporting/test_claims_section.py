"""The section on claims: its sentences, its chart and its table."""

import math
from dataclasses import replace

import pytest
from tests.claim_rows import claim_row

from ferbench.reporting.sections.claims import build, tally
from ferbench.reporting.study_files import StudyFiles

ROWS = [
    claim_row(),
    claim_row(
        protocol="stratified_70_10_20", direction="undecided", decided_by="about 14 seeds"
    ),
    claim_row(
        claim="p2_cost", paper="p2", tables="T7", metric="fps", variant_a="yolo11n",
        variant_b="yolo12n", printed=1.0934, estimate=1.2, low=1.1, high=1.3, n_seeds=0,
        n_faces=0, n_clusters=0, cluster="", direction="confirmed", size="smaller",
    ),
]  # fmt: skip


def test_claims_have_sentences_with_their_numbers_decided_ones_first(study: StudyFiles) -> None:
    block = build(replace(study, claims=ROWS))
    assert block.words == (
        "3 verdicts on 2 claims: 1 contradicted, 1 undecided, 1 confirmed.",
        "On val, `ivsa` (+7.5) and `vgg_improved` (+7.5) still gained in the last third of "
        "training, in points. A longer training may change verdicts about them.",
    )
    (question, first), (_, ratio), (_, second) = block.answers
    assert question == "ivsa over vgg_improved, accuracy on ckplus, person_70_10_20 (P1-T2)"
    assert first == (
        "Contradicted: −4.4 points (95 % interval −7.5 to −1.2), printed +2.5; 5 seeds, 981 test "
        "faces in 118 clusters (person), reduced recipe."
    )
    assert second.endswith("reduced recipe. To decide it: about 14 seeds.")
    assert ratio == ("Confirmed: 1.20 (95 % interval 1.10 to 1.30), printed 1.09, reduced recipe.")


def test_only_the_first_verdicts_have_sentences(study: StudyFiles) -> None:
    undecided = claim_row(direction="undecided", decided_by="about 9 seeds")
    decided = claim_row(direction="no difference")
    block = build(replace(study, claims=[*[undecided] * 7, decided]))
    assert [text.partition(":")[0] for _, text in block.answers] == ["No difference"] + [
        "Undecided"
    ] * 5
    assert block.words[0].endswith("The chart and the table show the other 2 too.")
    assert len(block.tables[0].rows) == 8


def test_chart_has_differences_only_and_the_table_has_all(study: StudyFiles) -> None:
    block = build(replace(study, claims=ROWS))
    (chart,) = block.charts
    assert "contradicted" in chart.svg and "undecided" in chart.svg
    assert "yolo11n" not in chart.svg
    verdicts = block.tables[0]
    assert [row["direction"].text for row in verdicts.rows] == [row.direction for row in ROWS]
    assert verdicts.rows[0]["printed A − B, points"].text == "+2.5"


def test_variant_under_two_protocols_is_named_once(study: StudyFiles) -> None:
    both = "stratified_70_10_20 over person_70_10_20"
    row = claim_row(variant_b="ivsa", protocol=both, paper="field", tables="")
    block = build(replace(study, claims=[row]))
    assert block.answers[0][0] == f"ivsa, accuracy on ckplus, {both} (field)"
    assert "ivsa, stratified over person" in block.charts[0].svg


def test_one_seed_has_no_interval(study: StudyFiles) -> None:
    nothing = dict.fromkeys(("low", "high", "printed", "p_corrected"), math.nan)
    verdict = {"direction": "undecided, one seed", "decided_by": "at least 2 seeds"}
    row = claim_row(n_seeds=1, **nothing, **verdict)
    ((_, text),) = build(replace(study, claims=[row])).answers
    assert text.startswith("Undecided, one seed: −4.4 points; 1 seed,")
    assert "interval" not in text and "printed" not in text


def test_study_without_claims_has_no_section(study: StudyFiles) -> None:
    assert build(replace(study, claims=[])) is None


@pytest.mark.parametrize("count", [1, 3])
def test_tally_counts_the_verdicts(count: int) -> None:
    assert tally([claim_row()] * count) == f"{count} contradicted"
