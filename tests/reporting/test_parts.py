"""The parts of the report, held against arithmetic by hand and against the tables they are of."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.fabricated_study import CLASSES

from ferbench.config.params import Params
from ferbench.evaluation.metrics.probability import ece
from ferbench.reporting.confused import confused_table
from ferbench.reporting.cost import Point, front, latency_notes, latency_table
from ferbench.reporting.index import read_cards, write_index
from ferbench.reporting.leaks import leak_block, noise_words
from ferbench.reporting.power import power_words
from ferbench.reporting.protocols import protocol_blocks
from ferbench.reporting.provenance import environment_table, source_line
from ferbench.reporting.ranks import cliques, rank_block
from ferbench.reporting.reliability import calibration_error, pooled
from ferbench.reporting.robustness import conditions_of, robustness_blocks
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import summarise

PLACE = ("synthetic", "person_70_10_20")


def cell(table, row, column):
    """The raw value of a table's row, named by its first column."""
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
def test_a_commit_is_shown_short_and_dirty_if_its_code_was_changed(
    files: StudyFiles, stored: str, shown: str
) -> None:
    changed = replace(files, runs=[{**run, "commit": stored} for run in files.runs])
    assert source_line(changed, "synthetic").endswith(f"commit {shown}")
    (row,) = environment_table(changed).rows
    assert row["commit"].text == stored.replace("+", "-dirty")


def test_scores_on_clean_and_leaked_images_are_those_of_the_results(files: StudyFiles) -> None:
    parts = leak_block(files, "synthetic").tables[-1]
    mine = files.results[(files.results["variant"] == "ivsa")]
    by = mine.groupby(["subset", "metric"])["value"].mean()
    assert cell(parts, "ivsa", "accuracy, clean %") == pytest.approx(by["test_clean", "accuracy"])
    gap = by["test_leaked", "accuracy"] - by["test_clean", "accuracy"]
    assert cell(parts, "ivsa", "leaked − clean, points") == pytest.approx(gap)
    assert cell(parts, "ivsa", "faces, clean") + cell(parts, "ivsa", "faces, leaked") == 40


def test_the_leaks_are_told_in_words_and_unknown_ones_are_a_dash(files: StudyFiles) -> None:
    block = leak_block(files, "synthetic")
    assert block.words[0].startswith("8 of 40 test images (20.0 %) are found again in train")
    assert "Without dedup, 6 test images (15.0 %)" in block.words[0]
    kinds = {row["train holds"].raw: row["test images"].text for row in block.tables[0].rows}
    assert kinds["a near copy"] == "4"
    assert kinds["the same sequence"] == "–"
    assert cell(block.tables[1], "Training and PublicTest", "of them with other labels") == 3


def test_label_noise_that_was_not_estimated_says_why(files: StudyFiles) -> None:
    about = {"n": 3, "issues": 0, "share": None, "method": "m", "models": 2, "reason": "too few"}
    found = noise_words(replace(files, noise={"synthetic": {"test": about}}), "synthetic")
    assert found == "Label noise was not estimated: too few."
    known = {**about, "n": 200, "issues": 5, "share": 0.025, "accuracy": 0.8}
    found = noise_words(replace(files, noise={"synthetic": {"test": known}}), "synthetic")
    assert "2 networks together" in found and "upper bound" not in found
    assert "contradict 5 of 200 labels of test (2.5 %)" in found
    poor = {**known, "accuracy": 0.4, "models": 1}
    found = noise_words(replace(files, noise={"synthetic": {"test": poor}}), "synthetic")
    assert "one network, right in 40.0 % of cases, contradicts 5" in found
    assert found.endswith("at most an upper bound.")
    assert noise_words(replace(files, noise={}), "synthetic") == ""


def test_the_calibration_error_is_that_of_the_predictions(
    made: tuple[Path, Params, Path], files: StudyFiles
) -> None:
    root, _, _ = made
    errors = []
    for seed in (0, 1):
        folder = root / "runs" / "demo" / "ivsa" / "synthetic" / str(seed)
        answers = pd.read_parquet(folder / "predictions.parquet")
        prob = answers[CLASSES].to_numpy()
        errors.append(ece(prob, answers["target"].map(CLASSES.index).to_numpy()))
    bins = files.table("reliability", "synthetic")
    mine = calibration_error(bins[bins["variant"] == "ivsa"])
    assert mine == pytest.approx(sum(errors) / 2, abs=1e-4)  # the table has six digits


def test_bins_of_several_seeds_are_weighed_by_their_faces() -> None:
    bins = pd.DataFrame(
        {
            "seed": [0, 1, 1],
            "bin": [3, 3, 9],
            "low": [0.2, 0.2, 0.6],
            "high": [0.27, 0.27, 0.67],
            "count": [1, 3, 2],
            "confidence": [0.21, 0.25, 0.65],
            "accuracy": [1.0, 0.0, 0.5],
        }
    )
    table = pooled(bins).set_index("bin")
    assert table.loc[3, "accuracy"] == pytest.approx(0.25)
    assert table.loc[3, "confidence"] == pytest.approx(0.24)
    assert table.loc[3, "count"] == 4
    # Seed 0: 0.79; seed 1: 3/5 * 0.25 + 2/5 * 0.15 = 0.21.
    assert calibration_error(bins) == pytest.approx((0.79 + 0.21) / 2)


def test_conditions_of_a_probe_are_not_those_of_one_with_a_longer_name(files: StudyFiles) -> None:
    assert conditions_of(files, "canvas") == ["48", "640", "mean"]
    probes = {
        "canvas": files.params.robustness["canvas"],
        "canvas_48": files.params.robustness["canvas"],
    }
    subsets = pd.DataFrame({"robustness": ["canvas", "canvas_48"], "condition": ["640", "7"]})
    subsets = subsets.assign(subset=["canvas_640", "canvas_48_7"])
    empty = files.results.iloc[:0]
    both = replace(
        files,
        params=replace(files.params, robustness=probes),
        means=[],
        results=pd.concat([empty, subsets]),
    )
    assert conditions_of(both, "canvas") == ["640"]
    assert conditions_of(both, "canvas_48") == ["7"]


def test_a_probe_is_held_against_test_and_class_by_class(files: StudyFiles) -> None:
    canvas, degraded = robustness_blocks(files, "synthetic")
    assert {row["variant"].raw for row in canvas.tables[0].rows} == {"yolov5s", "yolov5s_osam"}
    results = files.results[files.results["metric"] == "accuracy"]
    by = results.groupby(["variant", "subset"])["value"].mean()
    gap = by["ivsa", "degraded_medium"] - by["ivsa", "test"]
    assert cell(degraded.tables[0], "ivsa", "medium − test, points") == pytest.approx(gap)
    classes = files.table("classes", "synthetic")
    own = classes[(classes["variant"] == "yolov5s") & (classes["metric"] == "ap50")]
    means = own.groupby(["subset", "emotion"])["value"].mean()
    change = means["degraded_medium", "anger"] - means["test", "anger"]
    assert cell(degraded.tables[-1], "yolov5s", "anger") == pytest.approx(change)


def test_a_probe_of_some_faces_is_held_against_these_and_not_all_of_test(
    files: StudyFiles,
) -> None:
    """The drawn faces are easier: 99 % are right as they are."""
    own = files.results[files.results["subset"] == "test"]
    plain = own.assign(subset="degraded_plain", value=own["value"].where(own["value"].isna(), 0.99))
    classes = files.tables["classes"]
    drawn = classes[classes["subset"] == "test"].assign(subset="degraded_plain", value=0.99)
    both = replace(
        files,
        results=pd.concat([files.results, plain]),
        tables={**files.tables, "classes": pd.concat([classes, drawn])},
    )
    assert conditions_of(both, "degraded") == ["medium"]
    table = robustness_blocks(both, "synthetic")[1].tables
    assert cell(table[0], "ivsa", "accuracy, test %") == pytest.approx(0.99)
    altered = cell(table[0], "ivsa", "medium %")
    assert cell(table[0], "ivsa", "medium − test, points") == pytest.approx(altered - 0.99)
    means = classes[classes["metric"] == "ap50"].groupby(["variant", "subset", "emotion"])["value"]
    expected = means.mean()["yolov5s", "degraded_medium", "anger"] - 0.99
    assert cell(table[-1], "yolov5s", "anger") == pytest.approx(expected)


def test_a_data_set_that_was_shown_whole_is_held_against_test_whatever_another_was(
    files: StudyFiles,
) -> None:
    own = files.results[files.results["subset"] == "test"]
    other = own.assign(subset="degraded_plain", dataset="another", value=0.99)
    both = replace(files, results=pd.concat([files.results, other]))
    alone, beside = (robustness_blocks(f, "synthetic")[1] for f in (files, both))
    assert beside.words == alone.words and beside.tables == alone.tables


def test_a_variant_at_the_floor_is_not_praised_for_losing_nothing(files: StudyFiles) -> None:
    before = robustness_blocks(files, "synthetic")[0].words[0]
    assert "which is best" in before and "naive baseline" not in before
    floors = {"synthetic": {"split": {"majority_class": 0.99}}}
    after = robustness_blocks(replace(files, baselines=floors), "synthetic")[0].words[0]
    assert after.startswith(before) and after.endswith(" is not better than the naive baseline.")


def test_a_printed_change_stands_below_ours(files: StudyFiles) -> None:
    row = replace(files.params.datasets["synthetic"], source="rafdb_basic")
    params = replace(files.params, datasets={"synthetic": row})
    tables = {**files.tables, "classes": files.tables["classes"].replace("yolov5s", "yolo_fer")}
    degraded = robustness_blocks(replace(files, params=params, tables=tables), "synthetic")[1]
    table = degraded.tables[-1]
    assert table.notes == 1
    assert cell(table, "yolo_fer as P2-T13 prints", "anger") == pytest.approx(-0.055)
    assert cell(table, "yolo_fer as P2-T13 prints", "mean") == pytest.approx(-0.028)


def test_one_data_set_under_two_protocols_stands_side_by_side(files: StudyFiles) -> None:
    assert protocol_blocks(files) == []
    row = files.params.datasets["synthetic"]
    both = {"a": row, "b": replace(row, protocol="stratified_70_10_20")}
    easier = [replace(m, protocol="stratified_70_10_20", mean=m.mean + 0.05) for m in files.means]
    floors = {
        "a": files.baselines["synthetic"],
        "b": {"split": {"nearest_neighbour": 0.9, "majority_class": 0.39}},
    }
    two = replace(
        files,
        params=replace(files.params, datasets=both),
        means=[*files.means, *easier],
        baselines=floors,
    )
    (block,) = protocol_blocks(two)
    assert cell(block.tables[0], "ivsa", "span, points") == pytest.approx(0.05)
    assert cell(
        block.tables[0], "naive baseline: 1-NN on raw pixels", "span, points"
    ) == pytest.approx(0.39)
    assert block.tables[0].notes == 2  # only floors that both have
    assert "filled: person_70_10_20" in block.charts[0].svg


def test_bars_join_what_is_nearer_than_the_critical_difference() -> None:
    ranks = [1.0, 1.5, 2.4, 4.0, 4.2]
    found = cliques(ranks, 1.0)
    assert found == [(0, 1), (1, 2), (3, 4)]
    # By definition: every pair within a bar is near, and every near pair is within one.
    for i, j in itertools.combinations(range(len(ranks)), 2):
        joined = any(first <= i and j <= last for first, last in found)
        assert joined == (ranks[j] - ranks[i] < 1.0)


def test_ranks_of_one_block_mean_nothing_and_that_is_said(files: StudyFiles) -> None:
    drawn = rank_block(files, PLACE, "synthetic")
    assert [chart.name for chart in drawn.charts] == ["ranks_synthetic_nemenyi"]
    assert "critical difference" in drawn.charts[0].svg
    few = files.tables["omnibus"].assign(blocks=1, p_value=float("nan"))
    block = rank_block(replace(files, tables={**files.tables, "omnibus": few}), PLACE, "synthetic")
    assert block.charts == ()
    assert all("fewer than two blocks" in text for text in block.words)
    assert rank_block(replace(files, tables={}), PLACE, "synthetic") is None


def test_what_could_not_be_told_is_said_in_seeds_and_points(files: StudyFiles) -> None:
    power = files.tables["power"]
    row = power[(power["metric"] == "accuracy") & (power["test"] == "welch")].iloc[0]
    (text,) = power_words(files, "synthetic")
    assert text.startswith(f"With 2 seeds a difference below {100 * row['detectable']:.1f} points")
    unknown = {"power": power.assign(detectable=float("nan"))}
    (text,) = power_words(replace(files, tables=unknown), "synthetic")
    assert "nothing can be said" in text


def test_no_point_of_the_front_is_beaten() -> None:
    points = [Point(f"v{i}", (7 * i) % 10, (3 * i) % 10) for i in range(10)]
    ahead = front(points)
    for point in points:
        beaten = any(
            other.cost <= point.cost and other.score >= point.score and other[1:] != point[1:]
            for other in points
        )
        assert (point in ahead) != beaten


def test_times_are_by_variant_and_what_was_not_measured_is_said(files: StudyFiles) -> None:
    table = latency_table(files)
    assert cell(table, "ivsa", "forward, ms") == 3.0
    assert table.rows[-1]["forward, FPS"].text == "–"
    notes = " ".join(latency_notes(files))
    assert "2 threads, batch 1, float32" in notes
    assert "yolov5s_osam: no float32 here" in notes


def test_the_index_tells_leaders_and_verdicts_and_bears_older_reports(
    made: tuple[Path, Params, Path], tmp_path: Path
) -> None:
    _, params, folder = made
    for name in ("new", "old"):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "index.html").write_text("a page", encoding="utf-8")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    new = tmp_path / "reports" / "new"
    (new / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    rows = [("reproduced", 3), ("not comparable", 3), ("not comparable", 0)]
    pd.DataFrame(rows, columns=["verdict", "n"]).to_csv(new / "papers.csv", index=False)
    first, second = read_cards(tmp_path / "reports")
    assert (first.title, first.variants) == (params.study.title, len(params.variants))
    assert first.verdicts == {"reproduced": 1, "not comparable": 1}
    results = pd.read_csv(folder / "results.csv").query("subset == 'test' and metric == 'accuracy'")
    best = results.groupby("variant")["value"].mean()
    assert first.leaders[0].variant == best.idxmax()
    assert first.leaders[0].value == pytest.approx(best.max())
    assert (second.title, second.variants, second.leaders) == ("old", None, ())
    write_index(tmp_path)
    text = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    assert 'href="new/index.html"' in text
    assert "report of an older form" in text


def test_a_value_that_is_not_defined_leaves_no_mean_and_breaks_nothing() -> None:
    place = {"dataset": "d", "protocol": "p", "variant": "v", "subset": "test"}
    values = {"auroc_macro": [0.7, float("nan")], "accuracy": [0.5, 0.6]}
    rows = [
        {**place, "seed": seed, "metric": metric, "value": value}
        for metric, series in values.items()
        for seed, value in enumerate(series)
    ]
    means = {m.metric: m for m in summarise(pd.DataFrame(rows), "student_t")}
    assert np.isnan([means["auroc_macro"].mean, means["auroc_macro"].std]).all()
    assert means["accuracy"].mean == pytest.approx(0.55)


def test_two_clean_faces_are_not_held_against_the_leaked_ones(files: StudyFiles) -> None:
    few = files.results["subset"].eq("test_clean") & files.results["metric"].eq("faces")
    small = replace(files, results=files.results.assign(value=files.results["value"].mask(few, 2)))
    assert any(
        "2 faces in the smaller part" in line for line in leak_block(small, "synthetic").words
    )


def test_the_pair_most_confused_is_told_for_every_variant(files: StudyFiles) -> None:
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
    ranked = [replace(files.means[0], variant=variant) for variant in "AB"]
    found = confused_table(replace(files, confusion=table), "synthetic", ranked)
    raws = [tuple(cell.raw for cell in row.values()) for row in found.rows]
    assert raws[:2] == [
        ("anger, disgust", "A", pytest.approx(1 / 3), 0.75, pytest.approx(2 / 3), 0.25),
        ("anger, disgust", "B", 1.0, 0.0, 0.0, 0.0),
    ]
    assert [row[0] for row in raws[2:]] == ["anger, fear", "anger, fear"]


def test_where_nobody_confuses_anything_there_is_no_pair(files: StudyFiles) -> None:
    table = files.confusion[files.confusion["target"] == files.confusion["predicted"]]
    ranked = [mean for mean in files.means if mean.metric == "accuracy"]
    found = confused_table(replace(files, confusion=table), "synthetic", ranked[:1])
    assert found.rows == ()
