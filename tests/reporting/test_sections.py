"""The sections of the report, against arithmetic by hand and the tables that they are made of."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.fabricated_study import CLASSES
from tests.run_records import naive_baselines

from ferbench import plugins
from ferbench.config.params import Params
from ferbench.evaluation.metrics.probability import ece
from ferbench.reporting import sections
from ferbench.reporting.blocks import Table
from ferbench.reporting.report import Report
from ferbench.reporting.sections.calibration import calibration_error
from ferbench.reporting.sections.classes import confused_table
from ferbench.reporting.sections.comparisons import build as comparisons
from ferbench.reporting.sections.comparisons import rank_block
from ferbench.reporting.sections.cost import latency_notes, latency_table
from ferbench.reporting.sections.data import build as data
from ferbench.reporting.sections.environment import environment_table
from ferbench.reporting.sections.leaderboard import build as leaderboard
from ferbench.reporting.sections.leakage import build as leakage
from ferbench.reporting.sections.leakage import noise_words
from ferbench.reporting.sections.protocols import build as protocols
from ferbench.reporting.sections.robustness import build as robustness
from ferbench.reporting.sections.robustness import conditions_of
from ferbench.reporting.study_files import StudyFiles
from ferbench.stats.primary import primary_score

PLACE = ("synthetic", "person_70_10_20")


def cell(table: Table, row: str, column: str) -> Any:
    """The raw value in a column of the row that its first column names."""
    (found,) = [entry for entry in table.rows if next(iter(entry.values())).raw == row]
    return found[column].raw


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("0123456789abcdef", "0123456789"),
        ("0123456789abcdef-dirty", "0123456789-dirty"),
        ("0123456789abcdef+", "0123456789-dirty"),  # records of before
        ("none", "none"),
    ],
)
def test_commit_is_shortened_and_keeps_its_dirty_mark(
    study: StudyFiles, stored: str, shown: str
) -> None:
    changed = replace(study, runs=[run.model_copy(update={"commit": stored}) for run in study.runs])
    assert changed.source("synthetic").endswith(f"commit {shown}")
    (row,) = environment_table(changed).rows
    assert row["commit"].text == stored.replace("+", "-dirty")


def test_scores_on_clean_and_leaked_images_equal_the_results(study: StudyFiles) -> None:
    parts = leakage(study).parts[0].tables[-1]
    mine = study.results[(study.results["variant"] == "ivsa")]
    by = mine.groupby(["subset", "metric"])["value"].mean()
    assert cell(parts, "ivsa", "accuracy, clean %") == pytest.approx(by["test_clean", "accuracy"])
    gap = by["test_leaked", "accuracy"] - by["test_clean", "accuracy"]
    assert cell(parts, "ivsa", "leaked − clean, points") == pytest.approx(gap)
    assert cell(parts, "ivsa", "faces, clean") + cell(parts, "ivsa", "faces, leaked") == 40


def test_leaks_are_counted_and_unknown_ones_are_a_dash(study: StudyFiles) -> None:
    block = leakage(study).parts[0]
    assert block.words[0].startswith("8 of 40 test images (20.0 %) leak from train")
    assert "Without deduplication, 6 test images (15.0 %)" in block.words[0]
    kinds = {row["train holds"].raw: row["test images"].text for row in block.tables[0].rows}
    assert kinds["a near copy"] == "4"
    assert kinds["the same sequence"] == "–"
    assert cell(block.tables[1], "Training and PublicTest", "of them with different labels") == 3


def test_label_noise_names_its_models_or_why_it_is_missing(study: StudyFiles) -> None:
    about = {"n": 3, "issues": 0, "share": None, "method": "m", "models": 2, "reason": "too few"}
    found = noise_words(replace(study, noise={"synthetic": {"test": about}}), "synthetic")
    assert found == "Label noise was not estimated: too few."
    known = {**about, "n": 200, "issues": 5, "share": 0.025, "accuracy": 0.8}
    found = noise_words(replace(study, noise={"synthetic": {"test": known}}), "synthetic")
    assert "2 networks together" in found and "upper bound" not in found
    assert "contradict 5 of 200 labels of test (2.5 %)" in found
    poor = {**known, "accuracy": 0.4, "models": 1}
    found = noise_words(replace(study, noise={"synthetic": {"test": poor}}), "synthetic")
    assert "one network, correct in 40.0 % of cases, contradicts 5" in found
    assert found.endswith("it is an upper bound at most.")
    assert noise_words(replace(study, noise={}), "synthetic") == ""


def test_calibration_error_of_bins_equals_that_of_predictions(
    made: tuple[Path, Params, Path], study: StudyFiles
) -> None:
    root, _, _ = made
    errors = []
    for seed in (0, 1):
        folder = root / "runs" / "demo" / "ivsa" / "synthetic" / str(seed)
        answers = pd.read_parquet(folder / "predictions.parquet")
        prob = answers[CLASSES].to_numpy()
        errors.append(ece(prob, answers["target"].map(CLASSES.index).to_numpy()))
    bins = study.table("reliability", "synthetic")
    mine = calibration_error(bins[bins["variant"] == "ivsa"])
    assert mine == pytest.approx(sum(errors) / 2, abs=1e-4)  # the table has six digits


def test_conditions_are_those_of_the_robustness_test_with_the_mean_last(study: StudyFiles) -> None:
    assert conditions_of(study, "canvas") == ["48", "640", "mean"]
    assert conditions_of(study, "degraded") == ["medium"]
    rows = [("canvas", "640"), ("canvas_48", "7"), ("canvas", "plain"), ("", "")]
    both = replace(study, results=pd.DataFrame(rows, columns=["robustness", "condition"]))
    assert conditions_of(both, "canvas") == ["640"]
    assert conditions_of(both, "canvas_48") == ["7"]


def test_robustness_is_compared_with_test_overall_and_by_class(study: StudyFiles) -> None:
    canvas, degraded = robustness(study).parts
    assert {row["variant"].raw for row in canvas.tables[0].rows} == {"yolov5s", "yolov5s_osam"}
    results = study.results[study.results["metric"] == "accuracy"]
    by = results.groupby(["variant", "subset"])["value"].mean()
    gap = by["ivsa", "degraded_medium"] - by["ivsa", "test"]
    assert cell(degraded.tables[0], "ivsa", "medium − test, points") == pytest.approx(gap)
    classes = study.table("classes", "synthetic")
    own = classes[(classes["variant"] == "yolov5s") & (classes["metric"] == "ap50")]
    means = own.groupby(["subset", "emotion"])["value"].mean()
    change = means["degraded_medium", "anger"] - means["test", "anger"]
    assert cell(degraded.tables[-1], "yolov5s", "anger") == pytest.approx(change)


def test_scores_on_altered_images_have_the_interval_of_new_seeds_and_new_faces(
    study: StudyFiles,
) -> None:
    assert study.evidence is not None
    part = study.evidence_on("synthetic")
    assert part is not None
    expected = primary_score(study.evidence.altered(part, "degraded", "medium"), "accuracy", "ivsa")
    assert expected is not None and expected.clusters > 1
    mean = study.on("degraded_medium", "synthetic", "accuracy")["ivsa"]
    assert (mean.low, mean.high) == (expected.low, expected.high)
    assert mean.basis.startswith("seeds and ")
    table = robustness(study).parts[1].tables[0]
    assert cell(table, "ivsa", "medium, 95 % interval") == expected.low
    older = replace(study, evidence=replace(study.evidence, replicates=None))
    assert older.on("degraded_medium", "synthetic", "accuracy")["ivsa"].basis == "seeds only"


def test_robustness_on_some_faces_is_compared_with_the_same_faces(
    study: StudyFiles,
) -> None:
    """The drawn faces are easier: 99 % are right as they are."""
    own = study.results[study.results["subset"] == "test"]
    value = own["value"].where(own["value"].isna(), 0.99)
    named = {"subset": "degraded_plain", "robustness": "degraded", "condition": "plain"}
    plain = own.assign(**named, value=value)
    classes = study.tables["classes"]
    drawn = classes[classes["subset"] == "test"].assign(subset="degraded_plain", value=0.99)
    both = replace(
        study,
        results=pd.concat([study.results, plain]),
        tables={**study.tables, "classes": pd.concat([classes, drawn])},
    )
    assert conditions_of(both, "degraded") == ["medium"]
    table = robustness(both).parts[1].tables
    assert cell(table[0], "ivsa", "accuracy, test %") == pytest.approx(0.99)
    altered = cell(table[0], "ivsa", "medium %")
    assert cell(table[0], "ivsa", "medium − test, points") == pytest.approx(altered - 0.99)
    means = classes[classes["metric"] == "ap50"].groupby(["variant", "subset", "emotion"])["value"]
    expected = means.mean()["yolov5s", "degraded_medium", "anger"] - 0.99
    assert cell(table[-1], "yolov5s", "anger") == pytest.approx(expected)


def test_robustness_baseline_of_another_data_set_is_not_used(
    study: StudyFiles,
) -> None:
    own = study.results[study.results["subset"] == "test"]
    other = own.assign(subset="degraded_plain", dataset="another", value=0.99)
    both = replace(study, results=pd.concat([study.results, other]))
    alone, beside = (robustness(f).parts[1] for f in (study, both))
    assert beside.words == alone.words and beside.tables == alone.tables


def test_robust_variant_at_the_naive_baseline_is_marked_as_not_better(study: StudyFiles) -> None:
    before = robustness(study).parts[0].words[0]
    assert "the least" in before and "naive baseline" not in before
    high = {"synthetic": naive_baselines(split={"majority_class": 0.99})}
    after = robustness(replace(study, baselines=high)).parts[0].words[0]
    assert after.startswith(before) and after.endswith(" is not better than the naive baseline.")


def test_printed_change_by_class_is_a_reference_row(study: StudyFiles) -> None:
    row = replace(study.params.datasets["synthetic"], source="rafdb_basic")
    params = replace(study.params, datasets={"synthetic": row})
    tables = {**study.tables, "classes": study.tables["classes"].replace("yolov5s", "yolo_fer")}
    degraded = robustness(replace(study, params=params, tables=tables)).parts[1]
    table = degraded.tables[-1]
    assert table.notes == 1
    assert cell(table, "yolo_fer as P2-T13 prints", "anger") == pytest.approx(-0.055)
    assert cell(table, "yolo_fer as P2-T13 prints", "mean") == pytest.approx(-0.028)


def test_data_set_under_two_protocols_has_one_data_sheet(study: StudyFiles) -> None:
    row, other = study.params.datasets["synthetic"], "stratified_70_10_20"
    both = {"synthetic": row, "b": replace(row, protocol=other)}
    audits = {key: study.audits["synthetic"] for key in both}
    two = replace(study, params=replace(study.params, datasets=both), audits=audits, redrawn={"b"})
    (card,) = data(two).parts
    assert {row.protocol, other} <= set(card.tags)
    splits = card.tables[0]
    assert [line["protocol"].text for line in splits.rows] == [row.protocol, other]
    assert [line["drawn"].text for line in splits.rows] == ["once", "anew by every seed"]


def test_data_set_under_two_protocols_is_compared_side_by_side(study: StudyFiles) -> None:
    assert protocols(study) is None
    row, other = study.params.datasets["synthetic"], "stratified_70_10_20"
    easier = study.results.assign(protocol=other, value=study.results["value"] + 0.05)
    baselines = {
        "a": study.baselines["synthetic"],
        "b": naive_baselines(split={"nearest_neighbour": 0.9, "majority_class": 0.39}),
    }
    two = replace(
        study,
        params=replace(study.params, datasets={"a": row, "b": replace(row, protocol=other)}),
        results=pd.concat([study.results, easier]),
        baselines=baselines,
    )
    (block,) = protocols(two).parts
    assert cell(block.tables[0], "ivsa", "span, points") == pytest.approx(0.05)
    assert cell(
        block.tables[0], "naive baseline: 1-NN on raw pixels", "span, points"
    ) == pytest.approx(0.39)
    assert block.tables[0].notes == 2  # only the baselines that both protocols have
    assert "filled: person_70_10_20" in block.charts[0].svg


def test_ranks_of_a_single_block_are_not_drawn_and_the_reason_is_given(study: StudyFiles) -> None:
    drawn = rank_block(study, PLACE, "synthetic")
    assert [chart.name for chart in drawn.charts] == ["ranks_synthetic_nemenyi"]
    assert "critical difference" in drawn.charts[0].svg
    few = study.tables["omnibus"].assign(blocks=1, p_value=float("nan"))
    block = rank_block(replace(study, tables={**study.tables, "omnibus": few}), PLACE, "synthetic")
    assert list(block.charts) == []
    assert all("fewer than two blocks" in text for text in block.words)
    assert rank_block(replace(study, tables={}), PLACE, "synthetic") is None


def test_minimum_detectable_difference_is_stated_in_seeds_and_points(study: StudyFiles) -> None:
    power = study.tables["power"]
    rows = power[(power["metric"] == "accuracy") & (power["test"] == "primary")]
    least, most = (f"{100 * v:.1f}" for v in (rows["detectable"].min(), rows["detectable"].max()))
    (*_, (_, text)) = leaderboard(study).parts[0].answers
    expected = f"minimum detectable difference is {least} to {most} points of accuracy (primary"
    assert f"With 2 seeds the {expected}, 80 % power" in text


def test_only_pairs_with_a_control_are_called_significant(study: StudyFiles) -> None:
    (card,) = (part for part in comparisons(study).parts if part.tags)
    planned = {(c.variant_a, c.variant_b) for c in study.comparisons if c.is_planned}
    *_, appendix = card.parts
    assert appendix.folded
    assert "significant" not in appendix.tables[0].columns
    for table in card.tables:
        pairs = {(row["A"].text, row["B"].text) for row in table.rows}
        assert pairs == planned
    agreed = card.parts[0].tables[0]
    assert {"primary", "welch", "mcnemar", "agree"} <= set(agreed.columns)


def test_latency_is_by_variant_with_the_reason_for_missing_times(study: StudyFiles) -> None:
    table = latency_table(study)
    assert cell(table, "ivsa", "forward, ms") == 3.0
    assert table.rows[-1]["forward, FPS"].text == "–"
    notes = " ".join(latency_notes(study))
    assert "2 threads, batch 1, float32" in notes
    assert "yolov5s_osam: no float32 here" in notes


def test_too_few_clean_faces_are_not_compared_with_leaked_ones(study: StudyFiles) -> None:
    few = study.results["subset"].eq("test_clean") & study.results["metric"].eq("faces")
    small = replace(study, results=study.results.assign(value=study.results["value"].mask(few, 2)))
    assert any("2 faces in the smaller part" in line for line in leakage(small).parts[0].words)


def test_most_confused_pair_has_a_row_for_every_variant(study: StudyFiles) -> None:
    """Two faces of three that are angry are called disgusted by A, and none by B."""
    counts = {
        ("A", "anger", "anger"): 1,
        ("A", "anger", "disgust"): 2,
        ("A", "disgust", "disgust"): 3,
        ("A", "disgust", "anger"): 1,
        ("A", "fear", "fear"): 4,
        ("B", "anger", "anger"): 3,
        ("B", "disgust", "none"): 4,
        ("B", "fear", "anger"): 1,
        ("B", "fear", "fear"): 3,
    }
    words = ("anger", "disgust", "fear")
    rows = [
        {"variant": v, "target": t, "predicted": p, "count": counts.get((v, t, p), 0)}
        for v, t, p in itertools.product("AB", words, (*words, "none"))
    ]
    place = {"study": "demo", "dataset": PLACE[0], "protocol": PLACE[1]}
    table = pd.DataFrame(rows).assign(seed=0, subset="test", **place)
    ranked = [replace(study.means[0], variant=variant) for variant in "AB"]
    found = confused_table(replace(study, confusion=table), "synthetic", ranked)
    raws = [tuple(cell.raw for cell in row.values()) for row in found.rows]
    assert raws[:2] == [
        ("anger, disgust", "A", pytest.approx(1 / 3), 0.75, pytest.approx(2 / 3), 0.25),
        ("anger, disgust", "B", 1.0, 0.0, 0.0, 0.0),
    ]
    assert [row[0] for row in raws[2:]] == ["anger, fear", "anger, fear"]


def test_perfect_predictions_have_no_confused_pair(study: StudyFiles) -> None:
    table = study.confusion[study.confusion["target"] == study.confusion["predicted"]]
    ranked = [mean for mean in study.means if mean.metric == "accuracy"]
    found = confused_table(replace(study, confusion=table), "synthetic", ranked[:1])
    assert list(found.rows) == []


def test_every_section_of_the_folder_is_in_the_report_in_its_order(report: Report) -> None:
    names = plugins.names(sections.__name__)
    assert set(sections.ORDER) <= set(names)
    # One data set row, so no protocols to compare; sections that ORDER does not name stand last.
    ordered = [name for name in sections.ORDER if name != "protocols"]
    assert list(report.sections)[: len(ordered)] == ordered
    assert set(report.sections) == {*names} - {"protocols"}
    assert all(block.title for block in report.sections.values())
